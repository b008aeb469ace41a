// `fettle`: Fettle from the command line. Each command adds itself in a file of its own.
#include <CLI/CLI.hpp>
#include <cstdio>

#include "services/cli/command.h"

int main(int argc, char** argv) {
  CLI::App app(
      "Fettle from the command line: referrals, personal health budgets, training, audit.");
  app.require_subcommand(1);
  app.get_formatter()->column_width(34);
  fettle::cli::Connection connection;
  fettle::cli::AddConnectionOptions(app, connection);
  int code = 0;
  fettle::cli::AddToken(app, connection, code);
  fettle::cli::AddCall(app, connection, code);
  fettle::cli::AddReferralCommands(app, connection, code);
  fettle::cli::AddEventCommands(app, connection, code);
  fettle::cli::AddSeed(app, connection, code);
  fettle::cli::AddAuditCommands(app, connection, code);
  CLI11_PARSE(app, argc, argv);
  return code;
}
