/*
 * The sub-commands of `freeal`. Each gets its own arguments, argv[0] being its
 * name, says on standard error what went wrong, and returns the exit code.
 */
#ifndef FREEAL_CLI_COMMANDS_H
#define FREEAL_CLI_COMMANDS_H

int command_plan(int argc, char **argv);
int command_prompt(int argc, char **argv);
int command_run(int argc, char **argv);
int command_up(int argc, char **argv);
int command_init(int argc, char **argv);
int command_status(int argc, char **argv);
int command_export(int argc, char **argv);
int command_ingest(int argc, char **argv);
int command_predict(int argc, char **argv);
int command_cache(int argc, char **argv);
int command_backup(int argc, char **argv);
int command_keys(int argc, char **argv);
int command_doctor(int argc, char **argv);

#endif
