// The training service: gRPC in, journal out.
#ifndef FETTLE_SERVICES_TRAINING_TRAINING_SERVICE_H_
#define FETTLE_SERVICES_TRAINING_TRAINING_SERVICE_H_

#include "fettle/training/v1/training_service.grpc.pb.h"
#include "libs/rpc/adapter.h"
#include "services/training/domain/training_rules.h"

namespace fettle::training {

class TrainingServiceImpl final : public v1::TrainingService::CallbackService {
 public:
  explicit TrainingServiceImpl(const rpc::AdapterParts& parts) : adapter_(parts) {}

  FETTLE_RPC(RegisterLearner)
  FETTLE_RPC(RecordEmployment)
  FETTLE_RPC(RegisterCourse)
  FETTLE_RPC(AccreditProgramme)
  FETTLE_RPC(RecordCompletion)
  FETTLE_RPC(GetCompetence)
  FETTLE_RPC(GetLearner)
  FETTLE_RPC(ListCourses)

 private:
  rpc::Adapter<TrainingRules> adapter_;
};

}  // namespace fettle::training

#endif  // FETTLE_SERVICES_TRAINING_TRAINING_SERVICE_H_
