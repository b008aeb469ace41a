#include "libs/rpc/evidence.h"

#include <algorithm>
#include <utility>

#include "libs/base/date.h"
#include "libs/base/status.h"
#include "libs/base/trace.h"
#include "libs/rpc/door.h"
#include "libs/rpc/status_map.h"

namespace fettle::rpc {
namespace {

// As part of the journey that the questions belong to. A user's token goes along to rpcs that admit
// every user, so that they know who asks; where services alone may call it would shut the door.
void PrepareQuestion(grpc::ClientContext& context, const google::protobuf::Message& request,
                     const Asker& asker, absl::Time deadline) {
  const auto& roles = MethodOf(request.GetDescriptor()).policy.roles();
  const bool admits_users = std::find(roles.begin(), roles.end(), "*") != roles.end();
  PrepareCall(context, deadline, admits_users ? asker.bearer : "",
              base::ChildTraceparent(asker.traceparent), asker.correlation_id);
}

}  // namespace

// One Gather that has to ask. It lives until the last answer.
struct RemoteEvidence::Gathering : std::enable_shared_from_this<Gathering> {
  // A call under way.
  template <class Request, class Response>
  struct Call {
    grpc::ClientContext context;
    Request request;
    Response response;
  };

  Gathered gathered;
  Done done;
  std::string seal_for;
  absl::Mutex mutex;
  int waiting ABSL_GUARDED_BY(mutex) = 1;  // one for the asking itself
  absl::Status failure ABSL_GUARDED_BY(mutex);

  void Asked() {
    absl::MutexLock lock(&mutex);
    ++waiting;
  }

  void Answered(absl::Status status) {
    {
      absl::MutexLock lock(&mutex);
      if (failure.ok() && !status.ok()) failure = std::move(status);
      if (--waiting > 0) return;
      status = failure;
    }
    if (!status.ok()) return done(std::move(status));
    done(std::move(gathered));
  }

  // What a failed question means for the caller: other services' troubles are not theirs to mend.
  static absl::Status Translate(const grpc::Status& status) {
    absl::Status result = FromGrpc(status);
    if (absl::IsNotFound(result)) return result;
    return base::Unavailable("EVIDENCE_UNAVAILABLE",
                             "a service that this decision depends on cannot answer now",
                             absl::Seconds(1));
  }
};

RemoteEvidence::RemoteEvidence(std::shared_ptr<grpc::Channel> person,
                               std::shared_ptr<grpc::Channel> training,
                               RemoteEvidenceOptions options, const base::Clock* clock)
    : options_(options),
      clock_(clock),
      keys_(
          {.key_age_max = options.context_age_max, .key_entries_max = options.context_entries_max},
          clock) {
  if (person != nullptr) person_ = person::v1::PersonService::NewStub(person);
  if (training != nullptr) training_ = training::v1::TrainingService::NewStub(training);
}

RemoteEvidence::~RemoteEvidence() = default;

bool RemoteEvidence::TakeCachedPerson(const std::string& id, bool fresh, Gathered& gathered,
                                      bool needs_key) {
  if (fresh) return false;
  std::shared_ptr<const seal::PersonKey> key;
  if (needs_key) {
    key = keys_.Find(id);
    if (key == nullptr) return false;
  }
  absl::ReaderMutexLock lock(&mutex_);
  auto it = people_.find(id);
  if (it == people_.end() || clock_->Now() - it->second.time > options_.context_age_max) {
    return false;
  }
  gathered.evidence.people[id] = it->second.context;
  if (needs_key) gathered.key = std::move(key);
  return true;
}

void RemoteEvidence::Remember(const person::v1::PersonContextAndKey& answer,
                              std::shared_ptr<const common::v1::PersonContext> context) {
  const std::string& id = context->person_id();
  if (!answer.key().empty()) {
    keys_.Put(std::make_shared<seal::PersonKey>(id, answer.key_version(), answer.key()));
  }
  absl::MutexLock lock(&mutex_);
  if (people_.size() >= options_.context_entries_max) people_.erase(people_.begin());
  people_[id] = {std::move(context), clock_->Now()};
}

std::vector<std::string> RemoteEvidence::TakeCachedPeople(const base::Questions& questions,
                                                          Gathered& gathered) {
  std::vector<std::string> missing;
  std::vector<std::string> people = questions.people;
  if (!questions.seal_for.empty() &&
      std::find(people.begin(), people.end(), questions.seal_for) == people.end()) {
    people.push_back(questions.seal_for);
  }
  for (const std::string& id : people) {
    if (!TakeCachedPerson(id, questions.fresh_people, gathered, id == questions.seal_for)) {
      missing.push_back(id);
    }
  }
  return missing;
}

std::string RemoteEvidence::DayOf(const base::Questions::OrganisationQuestion& question) const {
  return question.date.empty() ? base::LondonDate(clock_->Now()) : question.date;
}

bool RemoteEvidence::TakeCachedOrganisation(const base::Questions::OrganisationQuestion& question,
                                            Gathered& gathered) {
  absl::ReaderMutexLock lock(&mutex_);
  const auto it = organisations_.find(question.ods_code + DayOf(question));
  if (it == organisations_.end() || clock_->Now() - it->second.time > options_.context_age_max) {
    return false;
  }
  gathered.evidence.organisations[question] = it->second.fact;
  return true;
}

std::optional<Gathered> RemoteEvidence::Known(const base::Questions& questions) {
  if (!questions.competences.empty()) return std::nullopt;
  Gathered gathered;
  if (!TakeCachedPeople(questions, gathered).empty()) return std::nullopt;
  for (const auto& question : questions.organisations) {
    if (!TakeCachedOrganisation(question, gathered)) return std::nullopt;
  }
  return gathered;
}

void RemoteEvidence::Gather(const base::Questions& questions, const Asker& asker, Done done) {
  auto gathering = std::make_shared<Gathering>();
  gathering->done = std::move(done);
  gathering->seal_for = questions.seal_for;
  const absl::Time deadline = std::min(asker.deadline, absl::Now() + options_.evidence_wait_max);

  const std::vector<std::string> missing = TakeCachedPeople(questions, gathering->gathered);
  if (!missing.empty()) {
    gathering->Asked();
    if (person_ == nullptr) {
      gathering->Answered(Gathering::Translate(grpc::Status(grpc::StatusCode::UNAVAILABLE, "")));
    } else {
      using Call = Gathering::Call<person::v1::GetPersonContextRequest,
                                   person::v1::GetPersonContextResponse>;
      auto call = std::make_shared<Call>();
      PrepareQuestion(call->context, call->request, asker, deadline);
      for (const std::string& id : missing) call->request.add_person_ids(id);
      person_->async()->GetPersonContext(
          &call->context, &call->request, &call->response,
          [this, call, gathering](grpc::Status status) {
            if (!status.ok()) return gathering->Answered(Gathering::Translate(status));
            for (const auto& answer : call->response.people()) {
              const auto context =
                  std::make_shared<const common::v1::PersonContext>(answer.context());
              Remember(answer, context);
              const std::string& id = context->person_id();
              absl::MutexLock lock(&gathering->mutex);
              gathering->gathered.evidence.people[id] = context;
              if (id == gathering->seal_for) {
                gathering->gathered.key =
                    std::make_shared<seal::PersonKey>(id, answer.key_version(), answer.key());
              }
            }
            gathering->Answered(absl::OkStatus());
          });
    }
  }

  for (const auto& question : questions.organisations) {
    const std::string date = DayOf(question);
    {
      absl::MutexLock lock(&gathering->mutex);
      if (TakeCachedOrganisation(question, gathering->gathered)) continue;
    }
    gathering->Asked();
    if (person_ == nullptr) {
      gathering->Answered(Gathering::Translate(grpc::Status(grpc::StatusCode::UNAVAILABLE, "")));
      continue;
    }
    using Call =
        Gathering::Call<person::v1::GetOrganisationRequest, person::v1::GetOrganisationResponse>;
    auto call = std::make_shared<Call>();
    PrepareQuestion(call->context, call->request, asker, deadline);
    call->request.set_ods_code(question.ods_code);
    person_->async()->GetOrganisation(
        &call->context, &call->request, &call->response,
        [this, call, gathering, question, date](grpc::Status status) {
          if (!status.ok() && status.error_code() != grpc::StatusCode::NOT_FOUND) {
            return gathering->Answered(Gathering::Translate(status));
          }
          common::v1::OrganisationFact fact;
          fact.set_ods_code(question.ods_code);
          fact.set_date(date);
          fact.set_known(status.ok());
          if (status.ok()) {
            const person::v1::Organisation& found = call->response.organisation();
            fact.set_valid(found.start_date() <= date &&
                           (found.end_date().empty() || date <= found.end_date()));
            fact.set_icb(found.icb());
          }
          const auto shared = std::make_shared<const common::v1::OrganisationFact>(fact);
          if (fact.known()) {
            // An unknown code may become known at any time, so only known ones are remembered.
            absl::MutexLock lock(&mutex_);
            if (organisations_.size() >= options_.context_entries_max) {
              organisations_.erase(organisations_.begin());
            }
            organisations_[question.ods_code + date] = {shared, clock_->Now()};
          }
          {
            absl::MutexLock lock(&gathering->mutex);
            gathering->gathered.evidence.organisations[question] = shared;
          }
          gathering->Answered(absl::OkStatus());
        });
  }

  for (const auto& question : questions.competences) {
    gathering->Asked();
    if (training_ == nullptr) {
      gathering->Answered(Gathering::Translate(grpc::Status(grpc::StatusCode::UNAVAILABLE, "")));
      continue;
    }
    using Call =
        Gathering::Call<training::v1::GetCompetenceRequest, training::v1::GetCompetenceResponse>;
    auto call = std::make_shared<Call>();
    PrepareQuestion(call->context, call->request, asker, deadline);
    call->request.set_practitioner_id(question.practitioner_id);
    call->request.set_capability(question.capability);
    call->request.set_date(question.date);
    training_->async()->GetCompetence(&call->context, &call->request, &call->response,
                                      [call, gathering, question](grpc::Status status) {
                                        if (!status.ok())
                                          return gathering->Answered(Gathering::Translate(status));
                                        {
                                          absl::MutexLock lock(&gathering->mutex);
                                          gathering->gathered.evidence.competences[question] =
                                              call->response.competence();
                                        }
                                        gathering->Answered(absl::OkStatus());
                                      });
  }
  gathering->Answered(absl::OkStatus());
}

}  // namespace fettle::rpc
