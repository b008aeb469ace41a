// Goal: whatever a cluster does, each committed event is on its log at least once, first
// occurrences in order, and the cursor never passes an event that is not. Method: tables of steps,
// then random interleavings of commits, acknowledgements, failures and changed clusters, with a
// printed seed.
#include "libs/journal/relay_machine.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <deque>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace fettle::journal {
namespace {

using Do = RelayMachine::Do;
using Step = RelayMachine::Step;

// Connected to cluster "a", `committed` events, none acknowledged.
RelayMachine Fresh(int64_t committed, int64_t window = 100) {
  RelayMachine machine(window);
  EXPECT_TRUE(machine.Connected("a", 0, 0, committed).ok());
  return machine;
}

// Reads all and produces up to `count` events; gives how many.
int Produce(RelayMachine& machine, int count) {
  for (int produced = 0; produced < count;) {
    const Step step = machine.Next();
    if (step.what == Do::kRead) {
      machine.Read(machine.committed());
    } else if (step.what == Do::kProduce) {
      machine.Produced();
      ++produced;
    } else {
      return produced;
    }
  }
  return count;
}

TEST(RelayMachine, BeginsWithAPublisherAndPositionOne) {
  RelayMachine machine(10);
  EXPECT_EQ(machine.Next(), (Step{Do::kRebuild}));
  machine.Committed(3);
  EXPECT_EQ(machine.Next(), (Step{Do::kRebuild}));
  ASSERT_TRUE(machine.Connected("a", 0, 0, 3).ok());
  EXPECT_EQ(machine.Next(), (Step{Do::kRead, 1}));
  machine.Read(2);
  EXPECT_EQ(machine.Next(), (Step{Do::kProduce, 1}));
  machine.Produced();
  EXPECT_EQ(machine.Next(), (Step{Do::kProduce, 2}));
  machine.Produced();
  EXPECT_EQ(machine.Next(), (Step{Do::kRead, 3}));
}

TEST(RelayMachine, GoesOnBehindTheStoredCursor) {
  RelayMachine machine(10);
  ASSERT_TRUE(machine.Connected("a", 7, 9, 9).ok());
  EXPECT_EQ(machine.cursor(), 7);
  EXPECT_EQ(machine.Next(), (Step{Do::kRead, 8}));
}

TEST(RelayMachine, WaitsWhenAllIsSentAndGoesOnAtACommit) {
  RelayMachine machine = Fresh(2);
  EXPECT_EQ(Produce(machine, 5), 2);
  EXPECT_EQ(machine.Next(), (Step{Do::kWait}));
  machine.Committed(3);
  EXPECT_EQ(machine.Next(), (Step{Do::kRead, 3}));
  machine.Committed(1);
  EXPECT_EQ(machine.committed(), 3) << "never falls";
}

TEST(RelayMachine, TheCursorMovesOverTheContiguousPrefixOnly) {
  RelayMachine machine = Fresh(4);
  Produce(machine, 4);
  machine.Reported(2, true);
  machine.Reported(4, true);
  EXPECT_EQ(machine.cursor(), 0);
  machine.Reported(1, true);
  EXPECT_EQ(machine.cursor(), 2);
  EXPECT_FALSE(machine.caught_up());
  machine.Reported(3, true);
  EXPECT_EQ(machine.cursor(), 4);
  EXPECT_TRUE(machine.caught_up());
}

TEST(RelayMachine, NoMoreThanTheLimitIsUnderWay) {
  RelayMachine machine = Fresh(100, 3);
  EXPECT_EQ(Produce(machine, 100), 3);
  machine.Reported(2, true);
  EXPECT_EQ(machine.Next(), (Step{Do::kWait})) << "the prefix has not moved";
  machine.Reported(1, true);
  EXPECT_EQ(Produce(machine, 100), 2);
  // The places of 1 and 2 are used again, by 4 and 5.
  machine.Reported(3, true);
  EXPECT_EQ(machine.cursor(), 3);
}

TEST(RelayMachine, AFailureRebuildsAndResumesFromTheCursor) {
  RelayMachine machine = Fresh(5);
  Produce(machine, 5);
  machine.Reported(1, true);
  machine.Reported(2, false);
  EXPECT_EQ(machine.Next(), (Step{Do::kRebuild}));
  machine.Reported(4, true);  // of the same poll
  ASSERT_TRUE(machine.Connected("a", /*stored_cursor=*/0, 0, 5).ok());
  EXPECT_EQ(machine.cursor(), 1) << "its own cursor is newer than the stored one";
  EXPECT_EQ(machine.Next(), (Step{Do::kRead, 2}));
  Produce(machine, 4);
  machine.Reported(2, true);
  machine.Reported(3, true);
  EXPECT_EQ(machine.cursor(), 3) << "4 was acknowledged to the other publisher, and is sent again";
}

TEST(RelayMachine, AnotherClusterIsFilledFromItsOwnCursor) {
  RelayMachine machine = Fresh(5);
  Produce(machine, 5);
  for (int64_t i = 1; i <= 5; ++i) machine.Reported(i, true);
  machine.ClusterSeen("a");
  EXPECT_EQ(machine.Next(), (Step{Do::kWait}));
  machine.ClusterSeen("b");
  EXPECT_EQ(machine.Next(), (Step{Do::kRebuild}));
  ASSERT_TRUE(machine.Connected("b", 0, 0, 5).ok());
  EXPECT_EQ(machine.Next(), (Step{Do::kRead, 1}));
  ASSERT_TRUE(machine.Connected("a", 4, 5, 5).ok());
  EXPECT_EQ(machine.Next(), (Step{Do::kRead, 5}));
}

TEST(RelayMachine, RefusesWhenTopicOrCursorIsAheadOfTheJournal) {
  struct Row {
    int64_t cursor, topic_last, journal_last;
    bool refused;
  };
  for (const Row& row : std::vector<Row>{{0, 0, 0, false},
                                         {3, 5, 5, false},
                                         {5, 5, 5, false},
                                         {3, 6, 5, true},
                                         {6, 0, 5, true},
                                         {0, 1, 0, true}}) {
    RelayMachine machine(10);
    const absl::Status status =
        machine.Connected("a", row.cursor, row.topic_last, row.journal_last);
    EXPECT_EQ(status.code(),
              row.refused ? absl::StatusCode::kFailedPrecondition : absl::StatusCode::kOk)
        << row.cursor << " " << row.topic_last << " " << row.journal_last;
    EXPECT_EQ(machine.Next().what == Do::kRebuild, row.refused);
  }
}

TEST(RelayMachineDeathTest, AReportOfNothingUnderWayStopsTheProcess) {
  RelayMachine machine = Fresh(5);
  Produce(machine, 2);
  EXPECT_DEATH(machine.Reported(3, true), "under way");
  machine.Reported(1, true);
  EXPECT_DEATH(machine.Reported(1, true), "under way");
}

// A cluster with partitions, in which each key's order holds and a publisher dies at once.
struct World {
  static constexpr int kPartitions = 3;
  struct Cluster {
    std::array<std::vector<int64_t>, kPartitions> logs;
    int64_t stored_cursor = 0;
  };
  std::map<std::string, Cluster> clusters;
  std::string current = "c0";
  // Sent and not yet on the log; on the log and not yet reported. One of each per partition.
  std::array<std::deque<int64_t>, kPartitions> sent, written;

  static int PartitionOf(int64_t position) { return static_cast<int>(position * 7 % kPartitions); }
  void DropPublisher() {
    for (auto& queue : sent) queue.clear();
    for (auto& queue : written) queue.clear();
  }
};

TEST(RelayMachine, RandomInterleavingsLoseNothingAndKeepTheOrder) {
  const uint32_t first_seed = std::random_device()();
  for (uint32_t seed = first_seed; seed < first_seed + 300; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    std::mt19937 random(seed);
    const auto roll = [&](int64_t sides) {
      return static_cast<int64_t>(random() % static_cast<uint32_t>(sides));
    };
    World world;
    RelayMachine machine(1 + roll(20));
    int64_t journal_last = 0;
    const int64_t fault_one_in = 2 + roll(60);
    int64_t events_left = 150;
    int64_t faults_left = 40;
    const auto write = [&](int partition) {
      if (world.sent[partition].empty()) return;
      const int64_t position = world.sent[partition].front();
      world.sent[partition].pop_front();
      world.clusters[world.current].logs[partition].push_back(position);
      world.written[partition].push_back(position);
    };
    const auto report = [&](int partition) {
      if (world.written[partition].empty()) return;
      const int64_t position = world.written[partition].front();
      world.written[partition].pop_front();
      machine.Reported(position, true);
    };
    for (int64_t turn = 0; turn < 200'000; ++turn) {
      if (events_left == 0 && faults_left == 0 && machine.caught_up()) break;
      const int partition = static_cast<int>(roll(World::kPartitions));
      const int64_t dice = roll(8);
      if (dice == 0 && events_left > 0) {
        const int64_t count = 1 + roll(std::min<int64_t>(events_left, 10));
        events_left -= count;
        journal_last += count;
        machine.Committed(journal_last);
      } else if (dice == 1) {
        write(partition);
      } else if (dice == 2) {
        report(partition);
      } else if (dice == 3 && faults_left > 0 && roll(fault_one_in) == 0) {
        --faults_left;
        const int64_t kind = roll(4);
        std::deque<int64_t>& queue = world.sent[partition];
        if (kind == 0 && !queue.empty()) {  // a fatal error: all that is open fails
          const std::deque<int64_t> open = queue;
          queue.clear();
          for (const int64_t position : open) machine.Reported(position, false);
        } else if (kind == 1) {  // the cluster changes; another one or one that was there before
          world.current = absl::StrCat("c", roll(3));
          machine.ClusterSeen(world.current);
          if (!machine.connected()) world.DropPublisher();
        } else if (kind == 2) {  // the process dies: only what was stored is left
          world.clusters[machine.cluster_id()].stored_cursor =
              roll(2) == 0 ? machine.cursor() : world.clusters[machine.cluster_id()].stored_cursor;
          machine = RelayMachine(1 + roll(20));
          world.DropPublisher();
        } else {
          machine.Lost();
        }
      } else {
        const Step step = machine.Next();
        switch (step.what) {
          case Do::kRebuild: {
            world.DropPublisher();
            World::Cluster& cluster = world.clusters[world.current];
            int64_t topic_last = 0;
            for (const auto& log : cluster.logs) {
              for (const int64_t position : log) topic_last = std::max(topic_last, position);
            }
            ASSERT_TRUE(
                machine.Connected(world.current, cluster.stored_cursor, topic_last, journal_last)
                    .ok());
            break;
          }
          case Do::kRead:
            ASSERT_LE(step.position, journal_last);
            machine.Read(std::min(step.position + roll(5), machine.committed()));
            break;
          case Do::kProduce:
            world.sent[World::PartitionOf(step.position)].push_back(step.position);
            machine.Produced();
            break;
          case Do::kWait:
            break;
        }
      }
      if (!machine.connected()) continue;
      // Nothing up to the cursor is missing.
      const World::Cluster& cluster = world.clusters[machine.cluster_id()];
      if (machine.cursor() > 0 && roll(20) == 0) {
        const auto& log = cluster.logs[World::PartitionOf(machine.cursor())];
        ASSERT_NE(std::find(log.begin(), log.end(), machine.cursor()), log.end());
      }
    }
    ASSERT_TRUE(machine.caught_up());
    ASSERT_EQ(machine.cursor(), journal_last);
    const World::Cluster& cluster = world.clusters[world.current];
    std::vector<bool> seen(static_cast<size_t>(journal_last) + 1, false);
    for (const auto& log : cluster.logs) {
      int64_t newest = 0;
      for (const int64_t position : log) {
        if (seen[static_cast<size_t>(position)]) continue;
        ASSERT_GT(position, newest) << "a first occurrence out of order";
        newest = position;
        seen[static_cast<size_t>(position)] = true;
      }
    }
    for (int64_t position = 1; position <= journal_last; ++position) {
      ASSERT_TRUE(seen[static_cast<size_t>(position)]) << "lost: " << position;
    }
  }
}

}  // namespace
}  // namespace fettle::journal
