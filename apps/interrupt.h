// Ctrl-C, as a loop over frames wants it: finish the file being written, then stop.
#pragma once

#include <exception>

// From here on SIGINT and SIGTERM set a flag; a second one ends the program at once.
void catch_interrupts();

// Thrown by stop_if_interrupted(); main() turns it into exit status 128 + signal.
struct Interrupted : std::exception {
  int signal;
  explicit Interrupted(int signal) : signal(signal) {}
};
void stop_if_interrupted();

// The same for a loop that has something to save first: whether one has come.
bool interrupted();
