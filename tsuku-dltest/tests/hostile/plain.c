/* What a helper without isolation does: all libraries in one process. The suite must tell them apart. */
#include <dlfcn.h>
#include <stdio.h>

int main(int count, char **paths) {
    int failed = 0;
    printf("[");
    for (int i = 1; i < count; i++) {
        void *handle = dlopen(paths[i], RTLD_NOW | RTLD_LOCAL);
        failed |= !handle;
        printf("%s{\"path\":\"%s\",\"ok\":%s}", i > 1 ? "," : "", paths[i], handle ? "true" : "false");
        if (handle) dlclose(handle);
    }
    printf("]\n");
    return failed;
}
