// kafka_topics BOOTSTRAP_SERVERS FILE SECONDS: waits at most SECONDS for the cluster and makes the
// topics of FILE that are missing.
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <sstream>

#include "absl/strings/numbers.h"
#include "libs/bus/topics.h"

int main(int argc, char** argv) {
  int seconds = 0;
  if (argc != 4 || !absl::SimpleAtoi(argv[3], &seconds) || seconds < 1) {
    std::cerr << "usage: kafka_topics BOOTSTRAP_SERVERS FILE SECONDS\n";
    return 2;
  }
  std::ifstream file(argv[2]);
  std::stringstream text;
  text << file.rdbuf();
  if (!file) {
    std::cerr << "kafka_topics: cannot read " << argv[2] << "\n";
    return EXIT_FAILURE;
  }
  const auto topics = fettle::bus::ParseTopics(text.str());
  if (!topics.ok()) {
    std::cerr << "kafka_topics: " << argv[2] << ": " << topics.status().message() << "\n";
    return EXIT_FAILURE;
  }
  const auto made = fettle::bus::EnsureTopics(
      {.bootstrap_servers = argv[1], .client_id = "kafka_topics"}, *topics, absl::Seconds(seconds));
  if (!made.ok()) {
    std::cerr << "kafka_topics: " << made.status().message() << "\n";
    return EXIT_FAILURE;
  }
  std::cout << topics->size() << " topics, " << *made << " new\n";
  return EXIT_SUCCESS;
}
