module github.com/tsukumogami/tsuku

go 1.24
