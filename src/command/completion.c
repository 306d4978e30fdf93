#include "command.h"

#include <string.h>

/* lethe completion SHELL: what a shell needs to complete lethe's command lines, from the rows of the options. */

enum { COMPLETION_RUN = 0 }; /* commands[0]: what a command line without a command is */

/* The values that a row's option takes, separated by blanks; "": any, or files. */
static const char *completion_values(Arena *arena, const Option *row)
{
    const char *words = "";
    if (strcmp(row->name, "device") == 0) return "auto cpu gpu";
    if (strcmp(row->name, "method") == 0) {
        for (int i = 0; i < strategy_count; i++) words = text_join(arena, words, " ", strategies[i]->name);
        return text_join(arena, words, " ", "all");
    }
    for (int i = 0; row->choices && row->choices[i]; i++) words = text_join(arena, words, " ", row->choices[i]);
    return words;
}

/* A text in one line, between single quotes: `special` characters after a backslash, and a single quote as `quote`. */
static const char *completion_text(Arena *arena, const char *text, const char *special, const char *quote)
{
    char *out = arena_new(arena, char, 4 * strlen(text) + 1), *at = out;
    for (const char *c = text; *c; c++) {
        if (*c != '\'' && strchr(special, *c)) *at++ = '\\';
        for (const char *q = quote; *c == '\'' && *q; q++) *at++ = *q;
        if (*c != '\'') *at++ = *c == '\n' ? ' ' : *c;
    }
    *at = 0;
    return out;
}

static void completion_command_names(const char *between)
{
    for (const Command *c = commands; c->name; c++) printf("%s%s", c == commands ? "" : between, c->name);
}

/* ---- bash ---- */

static void completion_bash_command(const Command *command, Arena *arena)
{
    OptionRows rows;
    command_rows(command, &rows);
    printf("    %s)\n        options=\"--help", command->name);
    for (size_t i = 0; i < rows.count; i++) printf(" --%s", rows.at[i]->name);
    printf("\"\n        case $before in\n");
    for (size_t i = 0; i < rows.count; i++)
        if (rows.at[i]->type != OPTION_FLAG)
            printf("        --%s) value=yes words=\"%s\" ;;\n", rows.at[i]->name, completion_values(arena, rows.at[i]));
    printf("        esac ;;\n");
}

static void completion_bash(Arena *arena)
{
    printf("# bash completion of lethe, printed by: lethe completion bash\n"
           "_lethe() {\n"
           "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}\n"
           "    local command=%s options='' words='' value='' names='",
           commands[COMPLETION_RUN].name);
    completion_command_names(" ");
    printf("'\n"
           "    COMPREPLY=()\n"
           "    [ \"$word\" != = ] || word='' # --name=value is three words\n"
           "    [ \"$before\" != = ] || before=${COMP_WORDS[COMP_CWORD - 2]}\n"
           "    [[ \" $names \" != *\" ${COMP_WORDS[1]} \"* || $COMP_CWORD = 1 ]] || command=${COMP_WORDS[1]}\n"
           "    case $command in\n");
    for (const Command *c = commands; c->name; c++) completion_bash_command(c, arena);
    printf("    esac\n"
           "    if [ \"$value\" ]; then\n"
           "        # after the last comma, for lists\n"
           "        [[ $word != *,* ]] || words=\"${word%%,*},${words// / ${word%%,*},}\"\n"
           "        COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
           "    elif [[ $word == -* ]]; then\n"
           "        COMPREPLY=($(compgen -W \"$options\" -- \"$word\"))\n"
           "    elif [ \"$COMP_CWORD\" = 1 ] || { [ \"$COMP_CWORD\" = 2 ] && [[ $command == help ]]; }; then\n"
           "        COMPREPLY=($(compgen -W \"$names\" -- \"$word\"))\n"
           "    fi\n"
           "}\n"
           "complete -o default -F _lethe lethe\n");
}

/* ---- zsh ---- */

static void completion_zsh_command(const Command *command, Arena *arena)
{
    OptionRows rows;
    command_rows(command, &rows);
    printf("    %s)\n        _arguments -C '--help[this text]'", command->name);
    for (size_t i = 0; i < rows.count; i++) {
        const Option *row = rows.at[i];
        const char *values = completion_values(arena, row);
        printf(" \\\n            '%s--%s%s[%s]", row->type == OPTION_LIST ? "*" : "", row->name,
               row->type == OPTION_FLAG ? "" : "=", completion_text(arena, option_about(arena, row), "[]:\\", "'\\''"));
        const bool list = row->argument && strcmp(row->argument, "LIST") == 0;
        if (row->type != OPTION_FLAG && *values)
            printf(list ? ":%s:_sequence compadd - %s" : ":%s:(%s)", row->argument, values);
        if (row->type != OPTION_FLAG && !*values) printf(":%s:_files", row->argument);
        printf("'");
    }
    printf(" \\\n            '*:file:_files' ;;\n");
}

static void completion_zsh(Arena *arena)
{
    printf("#compdef lethe\n"
           "# zsh completion of lethe, printed by: lethe completion zsh\n"
           "_lethe() {\n"
           "    local -a names=(");
    for (const Command *c = commands; c->name; c++)
        printf("\n        '%s:%s'", c->name, completion_text(arena, c->about, "", "'\\''"));
    printf(")\n"
           "    local command=%s\n"
           "    if (( CURRENT == 2 )) && [[ $words[2] != -* ]]; then\n"
           "        _describe command names\n"
           "        return\n"
           "    fi\n"
           "    if [[ $words[2] != -* ]]; then\n"
           "        command=$words[2]\n"
           "        shift words\n"
           "        (( CURRENT-- ))\n"
           "    fi\n"
           "    case $command in\n",
           commands[COMPLETION_RUN].name);
    for (const Command *c = commands; c->name; c++) completion_zsh_command(c, arena);
    printf("    esac\n"
           "}\n"
           "if [ \"$funcstack[1]\" = _lethe ]; then _lethe \"$@\"; else compdef _lethe lethe; fi\n");
}

/* ---- fish ---- */

static void completion_fish_command(const Command *command, Arena *arena)
{
    OptionRows rows;
    command_rows(command, &rows);
    const bool run = command == &commands[COMPLETION_RUN]; /* also where no command is named */
    for (size_t i = 0; i < rows.count; i++) {
        const Option *row = rows.at[i];
        const char *values = completion_values(arena, row);
        printf("complete -c lethe -n '__lethe_in %s%s' -l %s", command->name, run ? " \\'\\'" : "", row->name);
        if (row->type != OPTION_FLAG) printf(" -r");
        if (*values) printf(" -f -a '%s'", values);
        printf(" -d '%s'\n", completion_text(arena, option_about(arena, row), "\\", "\\'"));
    }
}

static void completion_fish(Arena *arena)
{
    printf("# fish completion of lethe, printed by: lethe completion fish\n"
           "function __lethe_in\n"
           "    set -l words (commandline -opc)\n"
           "    set -l command ''\n"
           "    if set -q words[2]; and not string match -q -- '-*' $words[2]\n"
           "        set command $words[2]\n"
           "    end\n"
           "    contains -- \"$command\" $argv\n"
           "end\n");
    for (const Command *c = commands; c->name; c++)
        printf("complete -c lethe -n '__lethe_in \\'\\'' -a %s -d '%s'\n", c->name,
               completion_text(arena, c->about, "\\", "\\'"));
    for (const Command *c = commands; c->name; c++) completion_fish_command(c, arena);
}

/* ---- PowerShell ---- */

static void completion_powershell(Arena *arena)
{
    printf("# PowerShell completion of lethe, printed by: lethe completion powershell\n"
           "Register-ArgumentCompleter -Native -CommandName lethe, lethe.exe -ScriptBlock {\n"
           "    param($word, $line, $cursor)\n"
           "    $commands = [ordered]@{\n");
    for (const Command *c = commands; c->name; c++) {
        OptionRows rows;
        command_rows(c, &rows);
        printf("        '%s' = [ordered]@{\n            '--help' = @('this text', '')\n", c->name);
        for (size_t i = 0; i < rows.count; i++)
            printf("            '--%s' = @('%s', '%s')\n", rows.at[i]->name,
                   completion_text(arena, option_about(arena, rows.at[i]), "", "''"),
                   completion_values(arena, rows.at[i]));
        printf("        }\n");
    }
    printf("    }\n"
           "    $words = @($line.CommandElements | ForEach-Object { $_.ToString() })\n"
           "    if ($word -ne '' -and $words.Count -gt 1) { $words = $words[0..($words.Count - 2)] }\n"
           "    $command = '%s'\n"
           "    if ($words.Count -gt 1 -and $commands.Contains($words[1])) { $command = $words[1] }\n"
           "    $options = $commands[$command]\n"
           "    $before = $words[-1]\n"
           "    if ($options.Contains($before) -and $options[$before][1]) {\n"
           "        $found = $options[$before][1].Split(' ') | ForEach-Object { , @($_, $_) }\n"
           "    } elseif ($word -notlike '-*' -and $words.Count -eq 1) {\n"
           "        $found = $commands.Keys | ForEach-Object { , @($_, $_) }\n"
           "    } else {\n"
           "        $found = $options.Keys | ForEach-Object { , @($_, $options[$_][0]) }\n"
           "    }\n"
           "    $found | Where-Object { $_[0] -like \"$word*\" } | ForEach-Object {\n"
           "        [System.Management.Automation.CompletionResult]::new($_[0], $_[0], 'ParameterValue', $_[1])\n"
           "    }\n"
           "}\n",
           commands[COMPLETION_RUN].name);
}

bool command_completion(int argc, char **argv, Err *err)
{
    static const struct {
        const char *name;
        void (*print)(Arena *arena);
    } shells[] = {
        {"bash", completion_bash},
        {"zsh", completion_zsh},
        {"fish", completion_fish},
        {"powershell", completion_powershell},
    };
    if (argc > 2) return fail_usage(err, "%s: unexpected argument; see lethe help completion", str_show(str(argv[2])));
    for (size_t i = 0; argc > 1 && i < COUNT(shells); i++) {
        if (strcmp(argv[1], shells[i].name) != 0) continue;
        Arena arena = {0};
        shells[i].print(&arena);
        arena_free(&arena);
        return true;
    }
    if (argc > 1) return fail_usage(err, "%s: no shell of bash, zsh, fish, powershell", str_show(str(argv[1])));
    return fail_usage(err, "completion: a shell is missing: bash, zsh, fish, powershell");
}
