// Metrics for Prometheus, on 127.0.0.1 at /metrics.
//
// Labels name kinds of things (rpc, topic, outcome), never people, ids or anything that a caller
// sent: no personal data (INV-146), and each distinct value costs memory for ever.
#ifndef FETTLE_LIBS_BASE_METRICS_H_
#define FETTLE_LIBS_BASE_METRICS_H_

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace prometheus {
class Exposer;
class Registry;
}  // namespace prometheus

namespace fettle::base {

// Increment(), Set(), Observe(): thread-safe and without a lock, but for Histogram, which takes a
// short one.
using Counter = prometheus::Counter;
using Gauge = prometheus::Gauge;
using Histogram = prometheus::Histogram;

using Labels = std::map<std::string, std::string>;

// Upper bounds in seconds, from 50 µs to 10 s.
std::vector<double> LatencyBucketsSeconds();

// Thread-safe. What it gives out lives as long as it does; keep the reference, since finding a
// metric takes a lock.
class Metrics {
 public:
  // No port: metrics are kept but not served. Port 0: the system picks one. UNAVAILABLE, naming the
  // port, when it is in use.
  static absl::StatusOr<std::unique_ptr<Metrics>> Create(std::optional<uint16_t> port);
  ~Metrics();

  // The same name and labels again give the same metric. Names are `fettle_<what>_<unit>`, counters
  // end in `_total`. A name that is used with another kind or is not a Prometheus name stops the
  // process.
  Counter& AddCounter(const std::string& name, const std::string& help, const Labels& labels = {});
  Gauge& AddGauge(const std::string& name, const std::string& help, const Labels& labels = {});
  Histogram& AddHistogram(const std::string& name, const std::string& help,
                          const std::vector<double>& buckets = LatencyBucketsSeconds(),
                          const Labels& labels = {});

  // The port that is served, if any.
  std::optional<uint16_t> port() const { return port_; }
  // What /metrics answers.
  std::string Text() const;

 private:
  Metrics();

  std::shared_ptr<prometheus::Registry> registry_;
  std::unique_ptr<prometheus::Exposer> exposer_;
  std::optional<uint16_t> port_;
};

}  // namespace fettle::base

#endif  // FETTLE_LIBS_BASE_METRICS_H_
