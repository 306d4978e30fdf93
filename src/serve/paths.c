#include "state.h"

#include <string.h>

/* Which files and folders may be reached: through requests, and through links in folders that others have made. */

static bool path_is_below(const char *path, const char *folder)
{
    size_t size = strlen(folder);
    while (size > 1 && sys_is_separator(folder[size - 1])) size--;
    return strncmp(path, folder, size) == 0 && (!path[size] || sys_is_separator(path[size]) || size == 1);
}

/* Whether a file or folder lies below the current folder or one that the user has named; a new one: whether it would.
 */
static bool path_may(Server *s, const char *path)
{
    char whole[SYS_PATH_BYTES], real[SYS_PATH_BYTES], root[SYS_PATH_BYTES];
    if (!*path || strlen(path) >= SYS_PATH_BYTES || sys_path_whole(path, whole)) return false;
    size_t size = strlen(whole);
    /* the nearest part of it that is there decides, with all links followed; what follows may not lead up again */
    while (sys_path_real(whole, real)) {
        while (size > 1 && !sys_is_separator(whole[size - 1])) size--;
        const char *name = whole + size;
        if (strcmp(name, "..") == 0 || size <= 1) return false;
        whole[--size] = 0;
        if (!size) return false;
    }
    bool may = path_is_below(real, s->here);
    for (int i = 0; i < s->plan->file_count && !may; i++)
        may = !sys_path_real(s->plan->files[i], root) && path_is_below(real, root);
    for (int i = 0; i < s->plan->folder_count && !may; i++)
        may = !sys_path_real(s->plan->folders[i], root) && path_is_below(real, root);
    return may;
}

static bool path_check(Server *s, const char *path, const char *field, ServeAnswer *answer, Err *err)
{
    if (path_may(s, path)) return true;
    answer->saved_as = field; /* the field of the error */
    return fail(err,
                "%s lies outside of the folders that this page may read; drop the file here, or start lethe serve "
                "--files FOLDER",
                str_show(str(path)));
}

/* A file of OUT, of which nothing need be there. false: a link leads out of the folders that may be read, since OUT may
 * come from a stranger and be shown to a room. */
static bool path_in_folder(Server *s, const char *folder, const char *name, char path[SYS_PATH_BYTES])
{
    return snprintf(path, SYS_PATH_BYTES, "%s/%s", folder, name) < SYS_PATH_BYTES && path_may(s, path);
}
