#include "services/gateway/targets.h"

#include <toml++/toml.h>

#include <fstream>
#include <initializer_list>
#include <sstream>
#include <string_view>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/text.h"
#include "libs/base/uuid.h"
#include "libs/nhs/ods_code.h"

namespace fettle::gateway {
namespace {

// Reads the tables of one file; the first fault stays.
class Reader {
 public:
  explicit Reader(std::string path) : path_(std::move(path)) {}

  const absl::Status& status() const { return status_; }

  void Fault(const toml::node& where, std::string_view what) {
    if (!status_.ok()) return;
    status_ =
        absl::InvalidArgumentError(base::Concat(path_, ":", where.source().begin.line, ": ", what));
  }

  void OnlyKeys(const toml::table& table, std::initializer_list<std::string_view> known) {
    for (const auto& [key, value] : table) {
      if (std::find(known.begin(), known.end(), key.str()) == known.end()) {
        Fault(value, base::Concat("unknown key ", key.str()));
      }
    }
  }

  std::string Text(const toml::table& table, std::string_view key) {
    const auto text = table[key].value<std::string>();
    if (!text || text->empty()) Fault(table, base::Concat(key, ": a text is required"));
    return text.value_or("");
  }

  std::string OdsCode(const toml::table& table) {
    std::string code = Text(table, "organisation");
    if (!nhs::IsOdsCode(code)) Fault(table, "organisation: an ODS code is expected");
    return code;
  }

  // One of two words, or `absent`.
  template <class Value>
  Value Choice(const toml::table& table, std::string_view key, Value absent,
               std::initializer_list<std::pair<std::string_view, Value>> words) {
    const toml::node* node = table.get(key);
    if (node == nullptr) return absent;
    for (const auto& [word, value] : words) {
      if (node->value<std::string>() == std::string(word)) return value;
    }
    Fault(*node,
          base::Concat(key, ": expected ", words.begin()->first, " or ", (words.end() - 1)->first));
    return absent;
  }

  template <class Take>
  void Each(const toml::table& root, std::string_view key, Take take) {
    const toml::node* node = root.get(key);
    if (node == nullptr) return;
    if (!node->is_array_of_tables()) return Fault(*node, base::Concat("expected [[", key, "]]"));
    for (const toml::node& entry : *node->as_array()) take(*entry.as_table());
  }

  person::v1::NumberPolicy NumberPolicy(const toml::table& table, person::v1::NumberPolicy absent) {
    return Choice<person::v1::NumberPolicy>(table, "number_policy", absent,
                                            {{"strict", person::v1::NUMBER_POLICY_STRICT},
                                             {"lenient", person::v1::NUMBER_POLICY_LENIENT}});
  }

 private:
  const std::string path_;
  absl::Status status_;
};

}  // namespace

absl::StatusOr<Targets> Targets::Parse(const std::string& text, const std::string& path) {
  toml::table root;
  try {
    root = toml::parse(text, path);
  } catch (const toml::parse_error& error) {
    return absl::InvalidArgumentError(base::Concat(path, ":", error.source().begin.line, ": ",
                                                   std::string_view(error.description())));
  }
  Reader reader(path);
  Targets targets;
  reader.OnlyKeys(root, {"number_policy", "reply_service_id", "service", "partner"});
  targets.default_partner_.number_policy =
      reader.NumberPolicy(root, targets.default_partner_.number_policy);
  if (root.contains("reply_service_id")) {
    targets.reply_service_id_ = reader.Text(root, "reply_service_id");
  }
  reader.Each(root, "service", [&](const toml::table& entry) {
    reader.OnlyKeys(entry, {"dos_service_id", "service_id", "organisation", "name"});
    referral::v1::ReceivingService service;
    service.set_service_id(reader.Text(entry, "service_id"));
    service.set_organisation(reader.OdsCode(entry));
    service.set_name(reader.Text(entry, "name"));
    if (!base::IsUuid(service.service_id())) reader.Fault(entry, "service_id: expected a UUID");
    if (!targets.services_.emplace(reader.Text(entry, "dos_service_id"), service).second) {
      reader.Fault(entry, "dos_service_id: twice");
    }
  });
  reader.Each(root, "partner", [&](const toml::table& entry) {
    reader.OnlyKeys(
        entry, {"organisation", "number_policy", "intake", "endpoint", "token_file", "ca_file"});
    Partner partner = targets.default_partner_;
    partner.number_policy = reader.NumberPolicy(entry, partner.number_policy);
    partner.intake = reader.Choice<referral::v1::Intake>(
        entry, "intake", partner.intake,
        {{"complete", referral::v1::INTAKE_BARS_COMPLETE},
         {"incomplete_allowed", referral::v1::INTAKE_BARS_INCOMPLETE_ALLOWED}});
    for (const auto& [key, field] : {std::pair{"endpoint", &partner.endpoint},
                                     {"token_file", &partner.token_file},
                                     {"ca_file", &partner.ca_file}}) {
      if (entry.contains(key)) *field = reader.Text(entry, key);
    }
    const bool is_url = absl::StartsWith(partner.endpoint, "https://") ||
                        absl::StartsWith(partner.endpoint, "http://");
    if (!partner.endpoint.empty() && !is_url) {
      reader.Fault(entry, "endpoint: an address that begins with https:// is expected");
    }
    if (!partner.endpoint.empty() && targets.reply_service_id_.empty()) {
      reader.Fault(entry, "endpoint: needs reply_service_id, to which its responses are addressed");
    }
    if (!targets.partners_.emplace(reader.OdsCode(entry), partner).second) {
      reader.Fault(entry, "organisation: twice");
    }
  });
  if (!reader.status().ok()) return reader.status();
  return targets;
}

absl::StatusOr<Targets> Targets::Load(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  if (!in || !(text << in.rdbuf())) {
    return absl::NotFoundError(
        absl::StrCat("targets_file: cannot read '", path, "': expected a TOML file of services"));
  }
  return Parse(text.str(), absl::StrCat("targets_file: ", path));
}

const referral::v1::ReceivingService* Targets::Find(const std::string& dos_service_id) const {
  const auto found = services_.find(dos_service_id);
  return found == services_.end() ? nullptr : &found->second;
}

const Partner& Targets::PartnerOf(const std::string& organisation) const {
  const auto found = partners_.find(organisation);
  return found == partners_.end() ? default_partner_ : found->second;
}

}  // namespace fettle::gateway
