/* What the server holds, for its own files. */
#ifndef LETHE_SERVE_STATE_H
#define LETHE_SERVE_STATE_H

#include "serve.h"

enum {
    SERVE_TOKEN = 32,           /* hex digits */
    SERVE_FOLDERS = 400,        /* at most */
    SERVE_BODY_BYTES = 1 << 20, /* of a request, but for files */
    SERVE_FILE_BYTES = 64 << 20,
    SERVE_TICK_MS = 40,     /* between two looks at the files of runs */
    SERVE_VIEWERS = 96,     /* event streams at once, of the owner or of viewers */
    SERVE_THREADS = 128,    /* connections at once, to this machine or to the room's address */
    SERVE_ROWS = 50,        /* of an answer */
    SERVE_SHOWN_BYTES = 900 /* of a text in an answer */
};

typedef enum FolderState {
    FOLDER_EMPTY,
    FOLDER_RUNNING,
    FOLDER_STOPPED,
    FOLDER_FINISHED,
    FOLDER_FAILED,
    FOLDER_ELSEWHERE, /* another program runs in it */
} FolderState;

/* results.jsonl as it grows: its bytes, and where its lines end. Of a folder that is looked at. */
typedef struct Tail {
    char *at;
    size_t size, room;
    size_t *ends; /* [lines] the byte after each line's end */
    size_t lines, line_room;
    uint64_t volume, id[2]; /* of the file */
    unsigned changes;       /* how often another file took its place */
    bool open;
    int viewers;
    double asked; /* when somebody last looked */
} Tail;

/* What a page shows of a folder, as of so many lines. */
typedef struct LiveView {
    Arena arena;
    ReportReader *reader;
    const Results *results; /* NULL: nothing to be shown yet */
    unsigned changes;       /* of the tail that it was read from */
    size_t taken, lines;    /* bytes, lines */
    char *text;             /* JSON; NULL: none */
    size_t text_lines;      /* of which it is */
    double made, cost;      /* when, and in seconds */
    bool urgent;            /* more than steps has happened since */
    char fault[sizeof((Err *)0)->text];
} LiveView;

/* Where a run is, by its events. */
typedef struct Whereabouts {
    char method[METHOD_MAX_NAME + 1], task[80];
    int method_number, methods, task_number; /* method_number: with its seed, from 1; 0: none yet */
    uint64_t step, steps;                    /* of this training; steps 0: not known */
    uint64_t done, all, before;              /* steps of the run; before: when it was first looked at */
    double began, left_seconds;              /* began: when that was; left_seconds NAN: too early to say */
    json_t *run;                             /* the run event */
    unsigned stamp;
} Whereabouts;

typedef struct ServeFolder {
    char id[16];
    char path[SYS_PATH_BYTES]; /* from the root */
    const char *shown;         /* as the user named it */
    FolderState state;
    char words[400];
    int tasks, methods, seeds;
    SysProcess process; /* the run that this server has started */
    bool was_started, stopping;
    char errors[SYS_PATH_BYTES]; /* what it prints */
    uint64_t seen_size, seen_id; /* of results.jsonl when `state` was found */
    double looked;
    unsigned stamp; /* rises with every change of what is said of it */
    Tail tail;
    LiveView view;
    Whereabouts where;
    size_t where_lines; /* of the tail, that `where` knows */
    unsigned where_changes;
} ServeFolder;

typedef struct AskState AskState; /* a model that answers: ask.c */

typedef struct Server {
    const ServePlan *plan;
    SysMonitor room;      /* of all that follows but what ask.c has */
    SysMonitor view_room; /* of views: one is made at a time */
    SysMonitor ask_room;  /* of models: one answers at a time */
    SysMonitor check_room;
    Arena arena; /* names, for the server's life */
    char token[SERVE_TOKEN + 1], view_token[SERVE_TOKEN + 1], code[7];
    int port;
    ServeFolder *folders; /* [SERVE_FOLDERS] */
    int folder_count;
    int stream_count[2];          /* of the owner, of viewers: neither takes the other's room */
    char session[SYS_PATH_BYTES]; /* a folder for what runs print, which goes with the server */
    char here[SYS_PATH_BYTES];    /* the current folder */
    unsigned check_number, log_number;
    double tries_since; /* of codes */
    int tries;
    bool ending;
    double scanned, beat; /* when folders were looked for, and all streams woken */
    struct Asking *asking;
} Server;

typedef struct ServeRequest {
    bool post;
    const char *path, *query;                     /* as sent; query NULL: none */
    const char *host, *token, *last_event, *peer; /* NULL: not sent; peer: the address of the other side */
    Str body;
} ServeRequest;

typedef struct ServeAnswer {
    int status;
    const char *type;     /* NULL: JSON */
    const char *policy;   /* Content-Security-Policy; NULL: the page's */
    const char *location; /* of a redirection */
    const char *saved_as; /* the name of a file to be saved */
    Str body;
    ServeFolder *stream; /* then nothing of the above: events of this folder, */
    size_t from;         /* from this line on (from 0) */
    bool of_viewer;      /* who has asked for it */
} ServeAnswer;

/* Fills *answer; false: what `err` says, with err_status 400 unless the answer has another. */
typedef bool ServeHandler(Server *s, Arena *arena, const ServeRequest *request, ServeAnswer *answer, Err *err);

typedef enum ServeRight { RIGHT_ANYONE, RIGHT_VIEWER, RIGHT_OWNER } ServeRight;
typedef struct ServeRoute {
    const char *path; /* after the token */
    ServeHandler *handle;
    size_t body_bytes; /* of a POST, at most */
    ServeRight right;
    bool post;
} ServeRoute;

#endif
