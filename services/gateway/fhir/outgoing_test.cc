// What we send can be read by whoever reads what the standard says, us among them.
#include "services/gateway/fhir/outgoing.h"

#include <algorithm>
#include <map>
#include <set>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/uuid.h"
#include "services/gateway/fhir/headers.h"
#include "services/gateway/fhir/mapping.h"
#include "services/gateway/fhir/message.h"

namespace fettle::gateway {
namespace {

namespace pv1 = person::v1;
namespace rv1 = referral::v1;

constexpr char kDelivery[] = "0196d5a0-0006-7000-8000-000000000001";
constexpr char kRequest[] = "0196d5a0-0006-7000-8000-000000000002";
constexpr char kCorrelation[] = "0196d5a0-0005-7000-8000-000000000001";

google::protobuf::Timestamp Time(int64_t seconds) {
  google::protobuf::Timestamp time;
  time.set_seconds(1'763'800'000 + seconds);
  return time;
}

rv1::Delivery DeliveryOf(rv1::Signal signal) {
  rv1::Delivery delivery;
  *delivery.mutable_request_time() = Time(60);
  rv1::OutgoingMessage& message = *delivery.mutable_message();
  message.set_delivery_id(kDelivery);
  message.set_signal(signal);
  message.set_bundle_id(signal < rv1::SIGNAL_TAKEN ? kRequest : kDelivery);
  message.set_correlation_id(kCorrelation);
  message.set_sender_organisation(signal < rv1::SIGNAL_TAKEN ? "RND" : "RYE");
  message.set_partner_organisation(signal < rv1::SIGNAL_TAKEN ? "RYE" : "RND");
  message.set_target_endpoint("https://fhir.nhs.uk/Id/dos-service-id|2000011147");
  if (signal >= rv1::SIGNAL_TAKEN) {
    message.set_in_response_to(kRequest);
    message.set_partner_case_number(kRequest);
  }
  if (signal == rv1::SIGNAL_REJECTED) message.set_reason_code("22");
  if (signal == rv1::SIGNAL_STARTED) message.set_date("2025-11-24");
  if (signal == rv1::SIGNAL_COMPLETED) message.set_date("2025-12-01");
  return delivery;
}

rv1::Referral Referral() {
  rv1::Referral referral;
  referral.set_referral_id("0196d5a0-0007-7000-8000-000000000001");
  referral.set_version(4);
  referral.set_status(rv1::REFERRAL_STATUS_SUBMITTED);
  referral.set_person_id("0196d5a0-0001-7000-8000-000000000001");
  *referral.mutable_submit_time() = Time(0);
  *referral.mutable_update_time() = Time(60);
  referral.set_referring_organisation("RND");
  referral.mutable_service()->set_service_id("0196d5a0-0002-7000-8000-000000000001");
  referral.mutable_service()->set_organisation("RYE");
  referral.mutable_service()->set_name("Harbour link workers");
  rv1::ReferralDetails& details = *referral.mutable_details();
  details.mutable_referrer()->mutable_name()->set_text("Dr Ada Referrer");
  details.mutable_referrer()->set_service("Harbour Surgery");
  details.mutable_referrer()->set_organisation("RND");
  details.mutable_referrer()->mutable_contact()->set_text("0113 496 0000");
  details.set_referral_date("2025-11-22");
  details.mutable_reason()->set_code("LONELINESS");
  details.mutable_reason()->mutable_text()->set_text("has not left the house");
  details.set_priority(rv1::PRIORITY_URGENT);
  details.set_method(rv1::REFERRAL_METHOD_SECURE_MESSAGING);
  details.set_consent(rv1::CONSENT_EXPLICIT);
  for (int kind = rv1::RISK_KIND_NONE_KNOWN; kind <= rv1::RiskKind_MAX; ++kind) {
    rv1::Risk& risk = *details.add_risks();
    risk.set_kind(static_cast<rv1::RiskKind>(kind));
    risk.mutable_description()->set_text("in words");
  }
  return referral;
}

pv1::GetPersonResponse Person() {
  pv1::GetPersonResponse person;
  pv1::Demographics& known = *person.mutable_demographics();
  known.mutable_nhs_number()->set_text("9990000018");
  known.mutable_first_name()->set_text("Ada");
  known.mutable_family_name()->set_text("Example");
  known.mutable_birth_date()->set_text("1959-05-04");
  known.mutable_gender()->set_text("2");
  known.add_address_lines()->set_text("1 Harbour Row");
  known.mutable_postcode()->set_text("LS10 4YU");
  known.mutable_telephone()->set_text("0113 496 0001");
  known.mutable_email()->set_text("ada@example.org");
  person.set_nhs_number_status(pv1::NHS_NUMBER_STATUS_PRESENT_AND_VERIFIED);
  person.set_gp_practice("A81001");
  person.set_ethnic_category("A");
  return person;
}

std::string Bundle(rv1::Signal signal) {
  return OutgoingBundle(DeliveryOf(signal), Referral(), Person(), {.service_id = "2000099999"});
}

Message Read(const std::string& bundle) {
  auto message = Message::Read(*ParseJson(bundle), {"1.1.0"});
  EXPECT_TRUE(message.ok()) << message.status();
  return *std::move(message);
}

BarsHeaders HeadersOf(rv1::Signal signal) {
  const auto sent = OutgoingHeaders(DeliveryOf(signal).message());
  const std::map<std::string, std::string> by_name(sent.begin(), sent.end());
  const auto read = ReadHeaders([&](std::string_view name) -> std::optional<std::string> {
    const auto found = by_name.find(std::string(name));
    return found == by_name.end() ? std::nullopt : std::optional(found->second);
  });
  EXPECT_TRUE(read.ok()) << read.status();
  return *read;
}

TEST(Outgoing, INV154_RequestsAreOfTheNarrowTable) {
  for (const auto& [signal, action] :
       std::map<rv1::Signal, Action>{{rv1::SIGNAL_REQUEST, Action::kNew},
                                     {rv1::SIGNAL_CANCEL, Action::kCancel},
                                     {rv1::SIGNAL_CANCEL_AS_ERROR, Action::kCancel}}) {
    const Message message = Read(Bundle(signal));
    EXPECT_EQ(message.action(), action);
    EXPECT_EQ(message.category(), "referral");
    EXPECT_EQ(message.bundle_id(), kRequest);
    ElementReader reader;
    EXPECT_EQ(reader.Text(message.header(), "reason.coding.0.code"),
              action == Action::kNew ? "new" : "update");
    EXPECT_EQ(reader.Text(message.First("CarePlan"), "status"), "completed");
    EXPECT_EQ(reader.Text(message.First("Encounter"), "status"), "triaged");
  }
}

TEST(Outgoing, INV154_ResponsesAreReadAsWhatTheyWereSentFor) {
  for (rv1::Signal signal : {rv1::SIGNAL_TAKEN, rv1::SIGNAL_STARTED, rv1::SIGNAL_REJECTED,
                             rv1::SIGNAL_DID_NOT_ATTEND, rv1::SIGNAL_COMPLETED}) {
    const rv1::OutgoingMessage sent = DeliveryOf(signal).message();
    const Message message = Read(Bundle(signal));
    EXPECT_EQ(message.action(), Action::kResponse);
    EXPECT_EQ(message.response().signal, signal) << rv1::Signal_Name(signal);
    EXPECT_EQ(message.response().in_response_to, kRequest);
    EXPECT_EQ(message.response().reason_code, sent.reason_code());
    EXPECT_EQ(message.response().date, sent.date());
  }
}

TEST(Outgoing, WhatIsSentIsReadBackWhole) {
  const rv1::Referral referral = Referral();
  const pv1::GetPersonResponse person = Person();
  const std::string bundle = Bundle(rv1::SIGNAL_REQUEST);
  const auto mapped = MapMessage(Read(bundle), HeadersOf(rv1::SIGNAL_REQUEST), bundle, "hash");
  ASSERT_TRUE(mapped.ok()) << mapped.status();
  EXPECT_EQ(mapped->demographics.DebugString(), person.demographics().DebugString());
  EXPECT_EQ(mapped->nhs_number_status, person.nhs_number_status());
  EXPECT_EQ(mapped->gp_practice, person.gp_practice());
  EXPECT_EQ(mapped->ethnic_category, person.ethnic_category());
  EXPECT_EQ(mapped->details.DebugString(), referral.details().DebugString());
  EXPECT_EQ(mapped->partner_message.source_endpoint(),
            "https://fhir.nhs.uk/Id/dos-service-id|2000099999");
  EXPECT_EQ(mapped->partner_message.case_number(), kRequest);
}

TEST(Outgoing, INV151_HeadersNameTheDeliveryAndItsTarget) {
  const BarsHeaders headers = HeadersOf(rv1::SIGNAL_STARTED);
  EXPECT_EQ(headers.request_id, kDelivery);
  EXPECT_EQ(headers.correlation_id, kCorrelation);
  EXPECT_EQ(headers.organisation, "RYE");
  EXPECT_EQ(headers.target_service, "2000011147");
  EXPECT_EQ(Bundle(rv1::SIGNAL_STARTED), Bundle(rv1::SIGNAL_STARTED)) << "the same, byte for byte";
}

TEST(Outgoing, INV161_ExactlyOneContactHasRankOneAndItIsATelephone) {
  const Message message = Read(Bundle(rv1::SIGNAL_REQUEST));
  ElementReader reader;
  int first = 0;
  for (const json::value& telecom : reader.Items(message.First("Patient"), "telecom")) {
    if (telecom.at("rank").as_int64() != 1) continue;
    ++first;
    EXPECT_EQ(reader.Text(&telecom, "system"), "phone");
  }
  EXPECT_EQ(first, 1);
  pv1::GetPersonResponse without = Person();
  without.mutable_demographics()->clear_telephone();
  const std::string bundle = OutgoingBundle(DeliveryOf(rv1::SIGNAL_REQUEST), Referral(), without,
                                            {.service_id = "2000099999"});
  const Message silent = Read(bundle);
  for (const json::value& telecom : reader.Items(silent.First("Patient"), "telecom")) {
    EXPECT_NE(telecom.at("rank").as_int64(), 1) << "no e-mail takes the telephone's place";
  }
}

TEST(Outgoing, INV155_EachEntryHasItsOwnUrlAndInstant) {
  for (int signal = rv1::SIGNAL_REQUEST; signal <= rv1::Signal_MAX; ++signal) {
    const json::value bundle = *ParseJson(Bundle(static_cast<rv1::Signal>(signal)));
    std::set<std::string> urls;
    for (const json::value& entry : bundle.at("entry").as_array()) {
      const json::string_view url = entry.at("fullUrl").as_string();
      EXPECT_TRUE(urls.insert(std::string(url.data(), url.size())).second);
      // INV-160: UTC, with Z.
      EXPECT_EQ(entry.at("resource").at("meta").at("lastUpdated").as_string().back(), 'Z');
    }
  }
}

TEST(Outgoing, AResponseTellsNothingThatItsReaderMayNotKnow) {
  const std::string bundle = Bundle(rv1::SIGNAL_COMPLETED);
  for (const char* word : {"LS10 4YU", "0113 496 0001", "ada@example.org", "in words"}) {
    EXPECT_EQ(bundle.find(word), std::string::npos) << word;
  }
}

TEST(Outgoing, WhoeverIsHardlyKnownCanBeReferredToo) {
  pv1::GetPersonResponse nobody;
  rv1::Referral bare;
  bare.set_referral_id(kRequest);
  bare.set_status(rv1::REFERRAL_STATUS_SUBMITTED);
  const std::string bundle =
      OutgoingBundle(DeliveryOf(rv1::SIGNAL_REQUEST), bare, nobody, {.service_id = "2000099999"});
  EXPECT_EQ(Read(bundle).action(), Action::kNew);
}

}  // namespace
}  // namespace fettle::gateway
