// `fettle`: Fettle from the command line. Each command adds itself in a file of its own.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <string_view>

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
  fettle::cli::AddOrganisationCommands(app, connection, code);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    // --help is no error. Nothing was set when parsing ended, so --json is looked for here.
    const bool json = std::any_of(argv + 1, argv + argc,
                                  [](std::string_view argument) { return argument == "--json"; });
    if (!json || error.get_exit_code() == 0) return app.exit(error);
    connection.json = true;
    fettle::cli::ShowError(connection, absl::InvalidArgumentError(error.what()));
    return error.get_exit_code();
  }
  return code;
}
