#include "absl/strings/str_format.h"
#include "services/budget/domain/budget_testing.h"

namespace fettle::budget {
namespace {

using absl::StatusCode;
using base::IsDone;
using base::RefusedField;
using base::RefusedWith;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class ApprovalTest : public BudgetTest {
 protected:
  ApprovalTest() { Reach(v1::BUDGET_STATUS_PLAN_SUBMITTED); }
  void Fund() {
    ASSERT_THAT(When(kFinance, RecordContribution(budget_id, kIcb, 100'000)), IsDone());
    ASSERT_THAT(When(kFinance, RecordContribution(budget_id, kCouncil, 160'000)), IsDone());
  }
  void Sign() { ASSERT_THAT(When(kClinician, SignOffClinically(budget_id)), IsDone()); }
};

// INV-56, INV-81: contributions = final amount = portions, in one event, whatever the mix of
// options.
TEST_F(ApprovalTest, SettlesAmountPortionsFundersAndSignaturesInOneEvent) {
  Fund();
  Sign();
  const auto done = When(kFinance, ApproveBudget(budget_id));
  ASSERT_THAT(done, IsDone());
  ASSERT_THAT(done->events, SizeIs(2));
  const v1::BudgetApproved& approved = done->events[0].budget_approved();
  EXPECT_EQ(approved.final_amount_pence(), 260'000);
  EXPECT_EQ(approved.clinical_sign_off().practitioner_id(), kClinician);
  EXPECT_TRUE(approved.clinical_sign_off().competence().competent());
  EXPECT_EQ(approved.financial_sign_off_id(), kFinance);
  EXPECT_EQ(approved.care_coordinator_id(), "lw-hana");
  EXPECT_THAT(approved.portions(), SizeIs(3));
  EXPECT_THAT(approved.contributions(), SizeIs(2));
  EXPECT_THAT(
      PostingsOf(approved.transaction()),
      ElementsAre("available:1 debit 160000", "available:2 debit 40000", "available:3 debit 60000",
                  "funder:QAA credit 100000", "funder:E0900 credit 160000"));
  EXPECT_EQ(approved.transaction().amount_pence(), 260'000);
  EXPECT_EQ(BudgetRules::Pence(done->events[0]), 260'000);
  EXPECT_EQ(done->response.transaction_id(), approved.transaction().transaction_id());

  const v1::TransactionFiled& filed = done->events[1].transaction_filed();
  EXPECT_EQ(done->events[1].header().stream_id(), done->response.transaction_id());
  EXPECT_EQ(done->events[1].header().subjects(0), kPerson);
  EXPECT_EQ(filed.entry().SerializeAsString(), approved.transaction().SerializeAsString());
  EXPECT_EQ(BudgetRules::Pence(done->events[1]), 0) << "counted once";
}

TEST_F(ApprovalTest, RefusesSumsThatDiffer) {
  Fund();
  Sign();
  const auto refused = [&](auto change, const char* reason) {
    auto request = ApproveBudget(budget_id);
    change(request);
    EXPECT_THAT(When(kFinance, request), RefusedWith(StatusCode::kFailedPrecondition, reason));
  };
  using Request = v1::ApproveBudgetRequest;
  refused([](Request& request) { request.set_final_amount_pence(259'999); },
          "FINAL_AMOUNT_BELOW_PLAN");
  refused([](Request& request) { request.set_final_amount_pence(260'001); },
          "CONTRIBUTIONS_NOT_FINAL_AMOUNT");
  refused([](Request& request) { request.mutable_portions(0)->set_amount_pence(159'999); },
          "PORTIONS_NOT_FINAL_AMOUNT");
  refused([](Request& request) { request.mutable_portions(0)->set_amount_pence(160'001); },
          "PORTIONS_NOT_FINAL_AMOUNT");
  // INV-55.
  auto request = ApproveBudget(budget_id);
  request.mutable_portions(0)->set_amount_pence(INT64_MAX);
  EXPECT_THAT(When(kFinance, request),
              RefusedWith(StatusCode::kInvalidArgument, "AMOUNT_OVERFLOW"));
  EXPECT_THAT(Record().balances(), IsEmpty());
}

// INV-77: the final amount may be above the plan's cost, and a care co-ordinator is named.
TEST_F(ApprovalTest, NeedsACareCoordinator) {
  Fund();
  Sign();
  auto request = ApproveBudget(budget_id);
  request.clear_care_coordinator_id();
  EXPECT_THAT(When(kFinance, request),
              RefusedWith(StatusCode::kFailedPrecondition, "CARE_COORDINATOR_NOT_NAMED"));
  ASSERT_THAT(When(kFinance, RecordContribution(budget_id, kIcb, 100'500)), IsDone());
  request = ApproveBudget(budget_id);
  request.set_final_amount_pence(260'500);
  request.mutable_portions(1)->set_amount_pence(40'500);
  EXPECT_THAT(When(kFinance, request), IsDone());
}

// INV-78, INV-99: two different people sign, none of them holder, payee or broker.
TEST_F(ApprovalTest, IsSignedByTwoDisinterestedPeople) {
  Fund();
  EXPECT_THAT(When(kFinance, ApproveBudget(budget_id)),
              RefusedWith(StatusCode::kFailedPrecondition, "CLINICAL_SIGN_OFF_MISSING"));
  Sign();
  EXPECT_THAT(When(kClinician, ApproveBudget(budget_id)),
              RefusedWith(StatusCode::kPermissionDenied, "SIGN_OFF_BY_SAME_PERSON"));
  for (const char* interested : {"person-eve", "broker-flo", "payee-gus"}) {
    EXPECT_THAT(When(interested, ApproveBudget(budget_id)),
                RefusedWith(StatusCode::kPermissionDenied, "SIGN_OFF_BY_INTERESTED_PERSON"))
        << interested;
  }
  auto request = ApproveBudget(budget_id);
  request.mutable_portions(2)->set_payee_id(kClinician);
  EXPECT_THAT(When(kFinance, request),
              RefusedWith(StatusCode::kPermissionDenied, "SIGN_OFF_BY_INTERESTED_PERSON"));
  request.mutable_portions(2)->clear_payee_id();
  EXPECT_THAT(When(kFinance, request), RefusedField("portions[2].payee_id", "PAYEE_NOT_NAMED"));
  EXPECT_THAT(When(kFinance, ApproveBudget(budget_id)), IsDone());
}

class MoneyTest : public BudgetTest {
 protected:
  // 160,000, 40,000 and 60,000 pence in three portions; 100,000 of it the ICB's, then 130,000 the
  // council's, then 30,000 the charity's.
  MoneyTest() { Reach(v1::BUDGET_STATUS_ACTIVE); }

  void ExpectPortion(int number, int64_t available, int64_t committed, int64_t spent) {
    EXPECT_EQ(Balance(Record(), AvailableAccount(number)), available);
    EXPECT_EQ(Balance(Record(), CommittedAccount(number)), committed);
    EXPECT_EQ(SpentFrom(Record(), number), spent);
  }
};

TEST_F(MoneyTest, CommitsMoneyForAPlanLine) {
  const auto done = When(kTherapist, CommitSpend(budget_id, 1'500));
  ASSERT_THAT(done, IsDone());
  ASSERT_THAT(done->events, SizeIs(2));
  const v1::LedgerTransaction& transaction = done->events[0].spend_committed().transaction();
  EXPECT_THAT(PostingsOf(transaction),
              ElementsAre("committed:1 debit 1500", "available:1 credit 1500"));
  EXPECT_EQ(transaction.number(), 2);
  EXPECT_EQ(transaction.line_code(), "CHAIR");
  EXPECT_EQ(transaction.category_code(), "EQUIPMENT");
  EXPECT_EQ(transaction.commitment_id(), done->response.commitment_id());
  EXPECT_EQ(done->response.available_pence(), 158'500);
  ExpectPortion(1, 158'500, 1'500, 0);
  ASSERT_THAT(Record().commitments(), SizeIs(1));
  EXPECT_EQ(Record().commitments(0).remaining_pence(), 1'500);
}

// INV-57, INV-58, INV-60: of two commitments that only fit alone, one succeeds.
TEST_F(MoneyTest, CommitmentsStayWithinTheirPortion) {
  EXPECT_THAT(When(kTherapist, CommitSpend(budget_id, 160'001)),
              RefusedWith(StatusCode::kFailedPrecondition, "PORTION_EXCEEDED"));
  EXPECT_THAT(When(kTherapist, CommitSpend(budget_id, INT64_MAX)),
              RefusedWith(StatusCode::kFailedPrecondition, "PORTION_EXCEEDED"));
  EXPECT_THAT(When(kTherapist, CommitSpend(budget_id, 100'000)), IsDone());
  const auto second = When(kTherapist, CommitSpend(budget_id, 100'000));
  EXPECT_THAT(second, RefusedWith(StatusCode::kFailedPrecondition, "PORTION_EXCEEDED"));
  EXPECT_EQ(base::ErrorInfoOf(second.status())->metadata().at("available_pence"), "60000");
  EXPECT_THAT(When(kTherapist, CommitSpend(budget_id, 60'000)), IsDone());
  ExpectPortion(1, 0, 160'000, 0);
  EXPECT_THAT(When(kTherapist, CommitSpend(budget_id, 1)),
              RefusedWith(StatusCode::kFailedPrecondition, "PORTION_EXCEEDED"));
  EXPECT_THAT(When(kTherapist, CommitSpend(budget_id, 40'000, 2)), IsDone());
}

// INV-79, INV-80: what is bought is in the plan, in its period, and not prohibited.
TEST_F(MoneyTest, CommitsOnlyWhatWasPlanned) {
  auto request = CommitSpend(budget_id, 1);
  request.set_line_code("HOLIDAY");
  EXPECT_THAT(When(kTherapist, request),
              RefusedWith(StatusCode::kFailedPrecondition, "PLAN_LINE_NOT_FOUND"));
  request = CommitSpend(budget_id, 1);
  request.set_category_code("TOBACCO");
  EXPECT_THAT(When(kTherapist, request), RefusedField("category_code", "CATEGORY_PROHIBITED"));
  EXPECT_THAT(When(kTherapist, CommitSpend(budget_id, 1, 4)),
              RefusedField("portion", "PORTION_NOT_FOUND"));
  for (const char* date : {"2025-03-16", "2026-03-01"}) {
    request = CommitSpend(budget_id, 1);
    request.set_spend_date(date);
    EXPECT_THAT(When(kTherapist, request), RefusedField("spend_date", "DATE_OUTSIDE_PERIOD"));
  }
  request = CommitSpend(budget_id, 1);
  request.set_spend_date("2026-02-28");
  EXPECT_THAT(When(kTherapist, request), IsDone());
}

TEST_F(MoneyTest, OpenCommitmentsHaveALimit) {
  v1::BudgetState state = *journal.StateOf(budget_id);
  const std::string paid = Commit(10);
  const std::string payment = Pay(paid, 10, "INV-1");
  state = *journal.StateOf(budget_id);
  for (int i = 0; i < kOpenCommitmentsMax; ++i) {
    v1::OpenCommitment& open = *state.mutable_budget()->add_commitments();
    open.set_commitment_id(absl::StrFormat("0196d5a0-0000-7000-9000-%012d", i));
    open.set_remaining_pence(1);
  }
  journal.GivenState(budget_id, state);
  EXPECT_THAT(When(kTherapist, CommitSpend(budget_id, 1)),
              RefusedWith(StatusCode::kFailedPrecondition, "TOO_MANY_OPEN_COMMITMENTS"));
  EXPECT_THAT(When(kFinance, ReverseTransaction(budget_id, payment)),
              RefusedWith(StatusCode::kFailedPrecondition, "TOO_MANY_OPEN_COMMITMENTS"));
}

// INV-62: a payment lowers its commitment; the last one closes it.
TEST_F(MoneyTest, PaysFromACommitment) {
  const std::string commitment = Commit(1'000);
  const auto done = When(kFinance, PaySpend(budget_id, commitment, 400, "INV-1"));
  ASSERT_THAT(done, IsDone());
  const v1::LedgerTransaction& transaction = done->events.at(0).spend_paid().transaction();
  EXPECT_THAT(PostingsOf(transaction),
              ElementsAre("spent:1:QAA debit 400", "committed:1 credit 400"));
  EXPECT_EQ(transaction.line_code(), "CHAIR");
  EXPECT_EQ(transaction.client_reference(), "INV-1");
  EXPECT_EQ(BudgetRules::Pence(done->events[0]), 400);
  ExpectPortion(1, 159'000, 600, 400);
  EXPECT_EQ(FindCommitment(Record(), commitment)->remaining_pence(), 600);
  EXPECT_THAT(When(kFinance, PaySpend(budget_id, commitment, 601, "INV-2")),
              RefusedWith(StatusCode::kFailedPrecondition, "PAYMENT_ABOVE_COMMITMENT"));
  Pay(commitment, 600, "INV-3");
  ExpectPortion(1, 159'000, 0, 1'000);
  EXPECT_EQ(FindCommitment(Record(), commitment), nullptr);
  EXPECT_THAT(When(kFinance, PaySpend(budget_id, commitment, 1, "INV-4")),
              RefusedWith(StatusCode::kFailedPrecondition, "COMMITMENT_NOT_OPEN"));
  EXPECT_THAT(When(kFinance, PaySpend(budget_id, kNoBudget, 1, "INV-5")),
              RefusedWith(StatusCode::kFailedPrecondition, "COMMITMENT_NOT_OPEN"));
}

TEST_F(MoneyTest, PaysFromTheStartUntilToday) {
  const std::string commitment = Commit(1'000);
  auto request = PaySpend(budget_id, commitment, 1, "INV-1");
  request.set_payment_date("2025-03-18");
  EXPECT_THAT(When(kFinance, request), RefusedField("payment_date", "DATE_IN_FUTURE"));
  request.set_payment_date("2025-03-16");
  EXPECT_THAT(When(kFinance, request), RefusedField("payment_date", "DATE_BEFORE_START"));
}

// INV-66: a client reference has one effect for ever, whatever happened since.
TEST_F(MoneyTest, AClientReferenceHasOneEffect) {
  const std::string commitment = Commit(1'000);
  const auto first = When(kFinance, PaySpend(budget_id, commitment, 700, "INV-1"));
  ASSERT_THAT(first, IsDone());
  const auto expect_same = [&] {
    const std::string before = journal.StateOf(budget_id)->SerializeAsString();
    const auto again = When(kFinance, PaySpend(budget_id, commitment, 700, "INV-1"));
    ASSERT_THAT(again, IsDone());
    EXPECT_THAT(again->events, IsEmpty());
    EXPECT_EQ(again->response.SerializeAsString(), first->response.SerializeAsString());
    EXPECT_EQ(journal.StateOf(budget_id)->SerializeAsString(), before);
  };
  expect_same();
  Pay(commitment, 300, "INV-2");
  expect_same();
  ASSERT_THAT(When(kFinance, ReverseTransaction(budget_id, first->response.transaction_id())),
              IsDone());
  expect_same();
  GivenStatus(v1::BUDGET_STATUS_ENDED);
  expect_same();
  GivenStatus(v1::BUDGET_STATUS_ACTIVE);

  const std::string other = Commit(1'000);
  auto later = PaySpend(budget_id, commitment, 700, "INV-1");
  later.set_payment_date("2025-03-16");
  for (const auto& request : {PaySpend(budget_id, commitment, 699, "INV-1"),
                              PaySpend(budget_id, other, 700, "INV-1"), later}) {
    const auto refused = When(kFinance, request);
    EXPECT_THAT(refused, RefusedWith(StatusCode::kAlreadyExists, "CLIENT_REFERENCE_USED"));
    EXPECT_EQ(base::ErrorInfoOf(refused.status())->metadata().at("transaction_id"),
              first->response.transaction_id());
  }
  // Another budget has references of its own.
  Reach(v1::BUDGET_STATUS_ACTIVE);
  Pay(Commit(1'000), 700, "INV-1");
}

// INV-69: whose pound bought this. Payments are charged in the order of the contributions, across
// portions; what a reversal gives back is spent again first.
TEST_F(MoneyTest, KnowsWhosePoundItWas) {
  const auto charges = [](const auto& paid) {
    std::vector<std::string> parts;
    for (const v1::FunderCharge& charge : paid->response.charges()) {
      parts.push_back(absl::StrCat(charge.funder(), " ", charge.amount_pence()));
    }
    return parts;
  };
  const std::string direct = Commit(60'000, 3);
  const std::string chair = Commit(160'000, 1);
  const std::string hire = Commit(40'000, 2);
  const auto first = When(kFinance, PaySpend(budget_id, direct, 60'000, "INV-1"));
  EXPECT_THAT(charges(first), ElementsAre("QAA 60000"));
  const auto second = When(kFinance, PaySpend(budget_id, chair, 160'000, "INV-2"));
  EXPECT_THAT(charges(second), ElementsAre("QAA 40000", "E0900 120000"));
  EXPECT_THAT(PostingsOf(second->events.at(0).spend_paid().transaction()),
              ElementsAre("spent:1:QAA debit 40000", "spent:1:E0900 debit 120000",
                          "committed:1 credit 160000"));
  ASSERT_THAT(When(kFinance, ReverseTransaction(budget_id, first->response.transaction_id())),
              IsDone());
  EXPECT_EQ(SpentBy(Record(), kIcb), 40'000);
  EXPECT_THAT(charges(When(kFinance, PaySpend(budget_id, hire, 40'000, "INV-3"))),
              ElementsAre("QAA 40000"));
  EXPECT_THAT(charges(When(kFinance, PaySpend(budget_id, direct, 60'000, "INV-4"))),
              ElementsAre("QAA 20000", "E0900 10000", "8CH01 30000"));
  EXPECT_EQ(SpentBy(Record(), kIcb), 100'000);
  EXPECT_EQ(SpentBy(Record(), kCouncil), 130'000);
  EXPECT_EQ(SpentBy(Record(), kCharity), 30'000);
}

// INV-62: cancelling frees exactly the unpaid part.
TEST_F(MoneyTest, CancelsWhatIsNotPaid) {
  const std::string commitment = Commit(1'000);
  Pay(commitment, 250, "INV-1");
  const auto done = When(kTherapist, CancelCommitment(budget_id, commitment));
  ASSERT_THAT(done, IsDone());
  EXPECT_EQ(done->response.freed_pence(), 750);
  EXPECT_THAT(PostingsOf(done->events.at(0).commitment_cancelled().transaction()),
              ElementsAre("available:1 debit 750", "committed:1 credit 750"));
  ExpectPortion(1, 159'750, 0, 250);
  EXPECT_THAT(When(kTherapist, CancelCommitment(budget_id, commitment)),
              RefusedWith(StatusCode::kFailedPrecondition, "COMMITMENT_NOT_OPEN"));
}

// INV-64: a transaction stays and is undone only by one reversal that names it, once.
TEST_F(MoneyTest, ReversesATransactionOnce) {
  const std::string commitment = Commit(1'000);
  const std::string payment = Pay(commitment, 1'000, "INV-1");
  const std::string before = journal.StateOf(payment)->transaction().entry().SerializeAsString();
  const auto done = When(kFinance, ReverseTransaction(budget_id, payment));
  ASSERT_THAT(done, IsDone());
  ASSERT_THAT(done->events, SizeIs(3));
  const v1::LedgerTransaction& reversal = done->events[0].transaction_reversed().transaction();
  EXPECT_EQ(reversal.reversed_transaction_id(), payment);
  EXPECT_EQ(reversal.reversed_kind(), v1::TRANSACTION_KIND_PAYMENT);
  EXPECT_THAT(PostingsOf(reversal),
              ElementsAre("spent:1:QAA credit 1000", "committed:1 debit 1000"));
  ExpectPortion(1, 159'000, 1'000, 0);
  ASSERT_NE(FindCommitment(Record(), commitment), nullptr) << "the money is owed again";
  EXPECT_EQ(FindCommitment(Record(), commitment)->remaining_pence(), 1'000);
  EXPECT_EQ(FindCommitment(Record(), commitment)->line_code(), "CHAIR");

  EXPECT_EQ(journal.StateOf(payment)->transaction().reversed_by(), done->response.transaction_id());
  EXPECT_EQ(journal.StateOf(payment)->transaction().entry().SerializeAsString(), before);
  const auto again = When(kFinance, ReverseTransaction(budget_id, payment));
  EXPECT_THAT(again, RefusedWith(StatusCode::kFailedPrecondition, "TRANSACTION_ALREADY_REVERSED"));
  EXPECT_EQ(base::ErrorInfoOf(again.status())->metadata().at("reversal_id"),
            done->response.transaction_id());
  EXPECT_THAT(When(kFinance, ReverseTransaction(budget_id, done->response.transaction_id())),
              RefusedWith(StatusCode::kFailedPrecondition, "TRANSACTION_NOT_REVERSIBLE"));
}

TEST_F(MoneyTest, ReversesOnlyItsOwnTransactions) {
  const std::string allocation = journal.Listed(kStatement, StatementKey(budget_id)).at(0);
  EXPECT_THAT(When(kFinance, ReverseTransaction(budget_id, allocation)),
              RefusedWith(StatusCode::kFailedPrecondition, "TRANSACTION_NOT_REVERSIBLE"));
  const std::string commitment = Commit(1'000);
  const std::string first_budget = budget_id;
  Reach(v1::BUDGET_STATUS_ACTIVE);
  for (const std::string& id : {commitment, first_budget, budget_id, std::string(kNoBudget)}) {
    EXPECT_THAT(When(kFinance, ReverseTransaction(budget_id, id)),
                RefusedWith(StatusCode::kNotFound, "TRANSACTION_NOT_FOUND"));
  }
}

TEST_F(MoneyTest, ReversesACommitmentThatIsWhole) {
  const std::string commitment = Commit(1'000);
  const std::string payment = Pay(commitment, 1, "INV-1");
  EXPECT_THAT(When(kFinance, ReverseTransaction(budget_id, commitment)),
              RefusedWith(StatusCode::kFailedPrecondition, "COMMITMENT_NOT_WHOLE"));
  ASSERT_THAT(When(kFinance, ReverseTransaction(budget_id, payment)), IsDone());
  ASSERT_THAT(When(kFinance, ReverseTransaction(budget_id, commitment)), IsDone());
  ExpectPortion(1, 160'000, 0, 0);
  EXPECT_THAT(Record().commitments(), IsEmpty());

  const std::string cancelled = Commit(1'000);
  ASSERT_THAT(When(kTherapist, CancelCommitment(budget_id, cancelled)), IsDone());
  EXPECT_THAT(When(kFinance, ReverseTransaction(budget_id, cancelled)),
              RefusedWith(StatusCode::kFailedPrecondition, "COMMITMENT_NOT_WHOLE"));
}

TEST_F(MoneyTest, ReversesACancellationIfTheMoneyIsStillThere) {
  const std::string commitment = Commit(100'000);
  const std::string cancellation =
      When(kTherapist, CancelCommitment(budget_id, commitment))->response.transaction_id();
  const std::string other = Commit(100'000);
  EXPECT_THAT(When(kFinance, ReverseTransaction(budget_id, cancellation)),
              RefusedWith(StatusCode::kFailedPrecondition, "PORTION_EXCEEDED"));
  ASSERT_THAT(When(kTherapist, CancelCommitment(budget_id, other)), IsDone());
  ASSERT_THAT(When(kFinance, ReverseTransaction(budget_id, cancellation)), IsDone());
  ExpectPortion(1, 60'000, 100'000, 0);
  EXPECT_EQ(FindCommitment(Record(), commitment)->remaining_pence(), 100'000);
}

// INV-99: a broker may propose, never pay or change an amount.
TEST_F(MoneyTest, ABrokerMovesNoMoney) {
  const std::string commitment = Commit(1'000);
  const auto refused = RefusedWith(StatusCode::kPermissionDenied, "BROKER_MAY_NOT_DECIDE");
  EXPECT_THAT(When("broker-flo", CommitSpend(budget_id, 1)), refused);
  EXPECT_THAT(When("broker-flo", PaySpend(budget_id, commitment, 1, "INV-1")), refused);
  EXPECT_THAT(When("broker-flo", CancelCommitment(budget_id, commitment)), refused);
  EXPECT_THAT(When("broker-flo", ReverseTransaction(budget_id, commitment)), refused);
}

// INV-59: what is paid out of a direct payment portion stays within it.
TEST_F(MoneyTest, ADirectPaymentStaysWithinItsPortion) {
  const std::string instalment = Commit(60'000, 3);
  Pay(instalment, 60'000, "DP-1");
  ExpectPortion(3, 0, 0, 60'000);
  EXPECT_THAT(When(kTherapist, CommitSpend(budget_id, 1, 3)),
              RefusedWith(StatusCode::kFailedPrecondition, "PORTION_EXCEEDED"));
}

}  // namespace
}  // namespace fettle::budget
