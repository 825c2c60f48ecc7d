// One flag, set by the handler.
#include "apps/interrupt.h"

#include <csignal>

namespace {
volatile std::sig_atomic_t received = 0;
}

void catch_interrupts() {
  struct sigaction action = {};
  action.sa_handler = [](int signal) { received = signal; };
  action.sa_flags = static_cast<int>(SA_RESETHAND | SA_RESTART);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

void stop_if_interrupted() {
  if (received != 0) throw Interrupted(received);
}

bool interrupted() { return received != 0; }
