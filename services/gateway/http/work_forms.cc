#include "services/gateway/http/work_forms.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "services/gateway/http/form_parts.h"

namespace fettle::gateway {
namespace {

namespace rv1 = referral::v1;
using google::protobuf::Message;

std::unique_ptr<Message> SendAgainOf(const FormValues& values, const WorkContext&,
                                     std::vector<FormError>&) {
  auto request = std::make_unique<rv1::SendDeliveryAgainRequest>();
  request->set_delivery_id(values.Get("delivery_id"));
  return request;
}

// Offered beside each message that failed, not in the list of what may be done.
WorkForm SendAgainForm() {
  return {.name = "send-again",
          .title = "Send the message again",
          .button = "Send it again",
          .done = "The message is sent again",
          .fields = {{.kind = FieldKind::kHidden, .name = "delivery_id", .path = "delivery_id"}},
          .fits = [](const rv1::Referral&, const Viewer&) { return false; },
          .request = SendAgainOf};
}

std::vector<WorkForm> MakeForms() {
  std::vector<WorkForm> forms = TriageForms();
  const auto add = [&](std::vector<WorkForm> more) {
    std::ranges::move(more, std::back_inserter(forms));
  };
  add(BeginningForms());
  add(PlanForms());
  forms.push_back(DecisionForm());
  forms.push_back(ContactDetailsForm());
  add(CourseForms());
  add(EndForms());
  forms.push_back(AnswerForm());
  add(TakenBackForms());
  forms.push_back(SendAgainForm());
  return forms;
}

}  // namespace

std::span<const WorkForm> WorkForms() {
  static const std::vector<WorkForm>* const kForms = new std::vector<WorkForm>(MakeForms());
  return *kForms;
}

std::vector<Field> FieldsOf(const WorkForm& form, const rv1::Referral& referral,
                            const FormValues& values) {
  return form.fields_of == nullptr ? form.fields : form.fields_of(referral, values);
}

const WorkForm* FindWorkForm(std::string_view name) {
  const auto form = std::ranges::find(WorkForms(), name, &WorkForm::name);
  return form == WorkForms().end() ? nullptr : &*form;
}

bool IsOffered(const WorkForm& form, const rv1::Referral& referral,
               const person::v1::GetPersonResponse* person, const Viewer& viewer) {
  const bool is_hidden = form.is_of_person && (person == nullptr || person->restricted());
  return !is_hidden && form.fits(referral, viewer);
}

void Address(Message& request, const std::string& request_id, const std::string& id,
             int64_t version) {
  const google::protobuf::Descriptor& type = *request.GetDescriptor();
  const google::protobuf::Reflection& fields = *request.GetReflection();
  fields.SetString(&request, type.FindFieldByName("request_id"), request_id);
  const auto* about = type.FindFieldByName("referral_id");
  fields.SetString(&request, about == nullptr ? type.FindFieldByName("person_id") : about, id);
  if (version >= 0) {
    fields.SetInt64(&request, type.FindFieldByName("expected_version"), version);
  }
}

bool IsClosed(const rv1::Referral& referral) {
  return referral.status() >= rv1::REFERRAL_STATUS_COMPLETED;
}

bool IsReceiver(const rv1::Referral& referral, const Viewer& viewer) {
  return referral.service().organisation() == viewer.organisation &&
         referral.status() != rv1::REFERRAL_STATUS_DRAFT;
}

bool IsReferrer(const rv1::Referral& referral, const Viewer& viewer) {
  return referral.referring_organisation() == viewer.organisation;
}

}  // namespace fettle::gateway
