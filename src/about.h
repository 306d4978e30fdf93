/* about: how this program was built. */
#ifndef LETHE_ABOUT_H
#define LETHE_ABOUT_H

/* Lines "commit: ...", "target: ...", "compiler: ...", "libraries: ...". */
extern const char about_build[];

#endif
