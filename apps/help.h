// Help beyond lists of options: what to do first, what was meant by a wrong word, completion.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

// Printed where no subcommand is given.
std::string first_steps();

// What is wrong with the command line: "--maks is no option of munet segment; did you mean --mask?"
// where a word was not expected, CLI11's own words elsewhere.
std::string explain(const CLI::App& app, const CLI::ParseError& error);

// `munet completion bash|zsh`: prints a script that completes subcommands, options and files.
void add_completion(CLI::App& app);
