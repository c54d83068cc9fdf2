/*
 * The frame of the commands of `dues`.  A command is a table: the words that it knows, and the
 * options that each of them takes.  What the frame reads goes into a struct of the command's own,
 * which begins with a struct wish.
 */
#pragma once

#include "base/attributes.h"
#include "cli/connection.h"

#define COMMAND_WORDS_MAX   4
#define COMMAND_OPTIONS_MAX 16
#define COMMAND_TEXTS_MAX   32

/* What the command line said that every command has. */
struct wish {
    struct arena *arena;
    struct connection connection;
    struct dues_client *client; /* of commands that connect, while the word runs */
    const char *word;           /* "": the command has none */
    const char *operand;        /* NULL: the word takes none */
    bool as_json;               /* -o json */
};

/* An option that may be given several times. */
struct command_texts {
    char *items[COMMAND_TEXTS_MAX];
    size_t count;
};

enum command_value {
    VALUE_TEXT,  /* const char *, NULL when not given */
    VALUE_FLAG,  /* bool */
    VALUE_COUNT, /* int64_t of 1 and more, 0 when not given */
    VALUE_TEXTS, /* struct command_texts */
};

struct command_option {
    const char *name;
    enum command_value value;
    unsigned offset;                      /* of the field in the command's own struct */
    const char *words[COMMAND_WORDS_MAX]; /* which take it; none: all of them */
    bool is_needed;                       /* by each of these */
};

struct command_word {
    const char *word; /* NULL: the command is its own word, the only one */
    int (*run)(void *wish);
    const char *operand; /* what it acts on, one argument; NULL: it takes options only */
};

struct command {
    const char *name;
    const struct command_word *words;
    size_t word_count;
    const struct command_option *options;
    size_t option_count;
    const char *(*check)(const void *wish); /* what the table cannot say; may be NULL */
    const char *as;                         /* whose certificate, unless told; may be NULL */
    bool connects;                          /* has the options of the connection, and a client */
    bool prints_json;                       /* knows -o json */
};

/* The two tables of a command. */
#define COMMAND_WORDS(table)   .words = (table), .word_count = ARRAY_LENGTH(table)
#define COMMAND_OPTIONS(table) .options = (table), .option_count = ARRAY_LENGTH(table)

/*
 * Reads the command line into the wish, whose fields may hold defaults, and runs the word.  The
 * exit status; a command line that is not in order runs nothing.
 */
int command_run(const struct command *command, struct wish *wish, int argc, char **argv);
