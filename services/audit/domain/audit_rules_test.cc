// Goal: each event of a log covers more leaves than the one before, and the note is published as it
// was signed. Method: given (events) / when (checkpoint) / then (events or refusal).
#include "services/audit/domain/audit_rules.h"

#include "libs/base/decide_testing.h"

namespace fettle::audit {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr char kOrigin[] = "fettle.example/audit";

v1::CheckpointSigned Checkpoint(int64_t size, const std::string& origin = kOrigin) {
  v1::CheckpointSigned checkpoint;
  checkpoint.set_origin(origin);
  checkpoint.set_size(size);
  checkpoint.set_checkpoint(base::Concat(origin, "\n", size, "\nroot\n\n\u2014 signature\n"));
  return checkpoint;
}

class AuditRulesTest : public base::DomainTest<AuditRules> {
 protected:
  std::string Log(const std::string& origin = kOrigin) const {
    return journal.Holder(kLogByOrigin, base::Key({origin})).value_or("");
  }
};

TEST_F(AuditRulesTest, ACheckpointIsAnEventOfItsLogWithTheNoteAsItWasSigned) {
  const auto first = journal.When(Checkpoint(10));
  ASSERT_THAT(first, base::IsDone());
  ASSERT_THAT(first->events, SizeIs(1));
  EXPECT_EQ(first->events[0].header().stream_id(), Log());
  EXPECT_EQ(first->events[0].checkpoint_signed().checkpoint(), Checkpoint(10).checkpoint());
  EXPECT_EQ(first->events[0].checkpoint_signed().size(), 10);
  EXPECT_THAT(first->events[0].header().subjects(), IsEmpty());

  const auto second = journal.When(Checkpoint(11));
  ASSERT_THAT(second, base::IsDone());
  ASSERT_THAT(second->events, SizeIs(1));
  EXPECT_EQ(second->events[0].header().stream_id(), Log());
  EXPECT_EQ(second->events[0].header().version(), 2);
}

TEST_F(AuditRulesTest, NothingIsPublishedWhileTheLogDoesNotGrow) {
  EXPECT_THAT(journal.When(Checkpoint(0))->events, IsEmpty()) << "an empty log says nothing";
  ASSERT_THAT(journal.When(Checkpoint(10)), base::IsDone());
  EXPECT_THAT(journal.When(Checkpoint(10))->events, IsEmpty());
  EXPECT_EQ(journal.VersionOf(Log()), 1);
}

TEST_F(AuditRulesTest, ASmallerLogThanPublishedIsRefused) {
  ASSERT_THAT(journal.When(Checkpoint(10)), base::IsDone());
  EXPECT_THAT(journal.When(Checkpoint(9)),
              base::RefusedWith(absl::StatusCode::kFailedPrecondition, "LOG_ROLLED_BACK"));
  EXPECT_EQ(journal.StateOf(Log())->size(), 10);
}

TEST_F(AuditRulesTest, ALogUnderANewOriginIsAStreamOfItsOwn) {
  ASSERT_THAT(journal.When(Checkpoint(10)), base::IsDone());
  ASSERT_THAT(journal.When(Checkpoint(3, "fettle.example/restored")), base::IsDone());
  EXPECT_NE(Log(), Log("fettle.example/restored"));
  EXPECT_EQ(journal.StateOf(Log())->size(), 10);
}

}  // namespace
}  // namespace fettle::audit
