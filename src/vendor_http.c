/* civetweb, the HTTP server, compiled apart from lethe and with its own warnings: alone, since it renames what it does
 * not want to be called. It serves no files; src/serve answers every request itself. */
#define NO_SSL
#define NO_CGI
#define NO_FILES
#define NO_CACHING
#define USE_STACK_SIZE (1 << 21) /* of a connection's thread; elsewhere it would be the system's, 512 KB on macOS */
#include <civetweb.c>
