#include "libs/base/metrics.h"

#include <prometheus/exposer.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <exception>
#include <utility>

#include "absl/status/status.h"
#include "libs/base/check.h"
#include "libs/base/text.h"

namespace fettle::base {
namespace {

// prometheus-cpp throws when a name is wrong or taken by another kind: a fault of our code.
template <class Build>
auto& OrStop(Build build) {
  try {
    return build();
  } catch (const std::exception& error) {
    internal::CheckFailed(__FILE__, __LINE__, "a metric's name is valid and of one kind",
                          error.what());
  }
}

}  // namespace

std::vector<double> LatencyBucketsSeconds() {
  return {0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
          0.05,    0.1,    0.25,    0.5,    1,     2.5,    5,     10};
}

Metrics::Metrics() : registry_(std::make_shared<prometheus::Registry>()) {}
Metrics::~Metrics() = default;

absl::StatusOr<std::unique_ptr<Metrics>> Metrics::Create(std::optional<uint16_t> port) {
  auto metrics = std::unique_ptr<Metrics>(new Metrics);
  if (!port) return metrics;
  try {
    metrics->exposer_ = std::make_unique<prometheus::Exposer>(Concat("127.0.0.1:", *port));
    metrics->exposer_->RegisterCollectable(metrics->registry_);
    metrics->port_ = static_cast<uint16_t>(metrics->exposer_->GetListeningPorts().at(0));
  } catch (const std::exception&) {
    return absl::UnavailableError(
        Concat("metrics cannot be served on 127.0.0.1:", *port, "; is the port in use?"));
  }
  return metrics;
}

Counter& Metrics::AddCounter(const std::string& name, const std::string& help,
                             const Labels& labels) {
  return OrStop([&]() -> Counter& {
    return prometheus::BuildCounter().Name(name).Help(help).Register(*registry_).Add(labels);
  });
}

Gauge& Metrics::AddGauge(const std::string& name, const std::string& help, const Labels& labels) {
  return OrStop([&]() -> Gauge& {
    return prometheus::BuildGauge().Name(name).Help(help).Register(*registry_).Add(labels);
  });
}

Histogram& Metrics::AddHistogram(const std::string& name, const std::string& help,
                                 const std::vector<double>& buckets, const Labels& labels) {
  return OrStop([&]() -> Histogram& {
    return prometheus::BuildHistogram()
        .Name(name)
        .Help(help)
        .Register(*registry_)
        .Add(labels, buckets);
  });
}

std::string Metrics::Text() const {
  return prometheus::TextSerializer().Serialize(registry_->Collect());
}

}  // namespace fettle::base
