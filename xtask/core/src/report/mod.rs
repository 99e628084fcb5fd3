//! What HAPPENED, rendered: text, JSON, Markdown.
