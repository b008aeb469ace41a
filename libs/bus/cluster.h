// How to reach a Kafka cluster.
#ifndef FETTLE_LIBS_BUS_CLUSTER_H_
#define FETTLE_LIBS_BUS_CLUSTER_H_

#include <string>
#include <utility>
#include <vector>

namespace fettle::bus {

struct Cluster {
  std::string bootstrap_servers;  // host:port, comma-separated
  std::string client_id = {};     // the service's name; brokers log it
  // librdkafka's own properties for what a site decides: security.protocol, ssl.ca.location, … One
  // that this library sets itself, or that librdkafka does not know, is INVALID_ARGUMENT when the
  // client is made.
  std::vector<std::pair<std::string, std::string>> properties = {};
};

}  // namespace fettle::bus

#endif  // FETTLE_LIBS_BUS_CLUSTER_H_
