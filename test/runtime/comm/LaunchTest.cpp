//===- LaunchTest.cpp - Ranks as processes --------------------------------===//
#include "runtime/comm/Launch.h"

#include "formats/Error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <csignal>
#include <fcntl.h>
#include <map>
#include <spawn.h>
#include <string>
#include <sys/wait.h>
#include <tuple>
#include <unistd.h>
#include <utility>
#include <vector>

extern char **environ;

namespace regimen::runtime {
namespace {

using testing::HasSubstr;

/// A running scenario of regimen-comm-scenarios.
class Scenario {
public:
  explicit Scenario(const char *name, std::vector<std::string> variables = {}) {
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0)
      throw Error("no pipe");
    output = ends[0];
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
    std::string program = REGIMEN_COMM_SCENARIOS, argument = name;
    std::array<char *, 3> arguments = {program.data(), argument.data(), nullptr};
    std::vector<char *> environment;
    for (std::string &variable : variables)
      environment.push_back(variable.data());
    for (char **one = environ; *one; ++one)
      environment.push_back(*one);
    environment.push_back(nullptr);
    if (posix_spawn(&pid, program.c_str(), &actions, nullptr, arguments.data(),
                    environment.data()) != 0)
      throw Error("cannot run " + program);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
  }
  Scenario(const Scenario &) = delete;
  Scenario &operator=(const Scenario &) = delete;
  ~Scenario() {
    if (pid > 0)
      wait();
    close(output);
  }

  /// Reads until the text has come so many times, or the end.
  void readUntil(const std::string &wanted, int times) {
    auto seen = [&] {
      int count = 0;
      for (size_t at = text.find(wanted); at != std::string::npos; at = text.find(wanted, at + 1))
        ++count;
      return count;
    };
    std::array<char, 4096> buffer;
    while (seen() < times) {
      ssize_t count = read(output, buffer.data(), buffer.size());
      if (count <= 0)
        return;
      text.append(buffer.data(), static_cast<size_t>(count));
    }
  }
  void signal(int number) { kill(pid, number); }
  /// The exit code; the output is in `text` then.
  int wait() {
    readUntil("\1", 1);
    int status = 0;
    waitpid(std::exchange(pid, 0), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  std::string text;

private:
  pid_t pid = 0;
  int output = -1;
};

/// The delays that a scenario printed; their number is the ranks' that noticed.
std::vector<int> delays(const std::string &text) {
  std::vector<int> result;
  const std::string mark = "after ";
  for (size_t at = text.find(mark); at != std::string::npos; at = text.find(mark, at + 1))
    result.push_back(std::stoi(text.substr(at + mark.size())));
  return result;
}

TEST(Launch, RanksMeet) {
  Scenario scenario("world");
  EXPECT_EQ(scenario.wait(), 0);
  EXPECT_EQ(scenario.text, "rank 0: of 3\nrank 1: of 3\nrank 2: of 3\n");
}

TEST(Launch, GivesTheFirstFailure) { EXPECT_EQ(Scenario("codes").wait(), 11); }

TEST(Launch, NamesTheRankThatThrows) {
  Scenario scenario("throws");
  EXPECT_EQ(scenario.wait(), 1);
  EXPECT_EQ(scenario.text, "rank 1: no data\n");
}

TEST(Launch, SaysTheSameOnce) {
  Scenario scenario("throw-together");
  EXPECT_EQ(scenario.wait(), 1);
  EXPECT_EQ(scenario.text, "ranks 0 and 1: no data\nrank 2: no luck\n");
}

TEST(Launch, SaysWhatAFailureLeadToOnlyWhereTheFailedCannotTell) {
  for (auto [name, code, text] :
       {std::tuple("told-failure", 1, "rank 1: out of luck\n"),
        std::tuple("told-death", 128 + SIGKILL,
                   "rank 1: ended by signal 9 \\(Killed\\)\nranks? [02][^\n]*rank 1[^\n]*\n"),
        std::tuple("told-hang", 1,
                   "ranks 0 and 2: rank 1 hangs or is out of reach: it gave no sign of life for "
                   "1.5 seconds; see its own messages\n")}) {
    Scenario scenario(name);
    EXPECT_EQ(scenario.wait(), code) << name;
    EXPECT_THAT(scenario.text, testing::MatchesRegex(text)) << name;
  }
}

TEST(Launch, EndsTheOthers) {
  Scenario scenario("stubborn");
  EXPECT_EQ(scenario.wait(), 5);
  EXPECT_EQ(scenario.text, "");
}

TEST(Launch, PassesSignalsOn) {
  for (int signal : {SIGINT, SIGTERM}) {
    Scenario scenario("interrupt");
    scenario.readUntil("ready", 2);
    scenario.signal(signal);
    EXPECT_EQ(scenario.wait(), 0);
    std::string number = signal == SIGINT ? "1" : "2";
    EXPECT_THAT(scenario.text, HasSubstr("rank 0: signal " + number));
    EXPECT_THAT(scenario.text, HasSubstr("rank 1: signal " + number));
  }
}

TEST(Launch, RefusesToForkThreads) {
  Scenario scenario("threads");
  EXPECT_EQ(scenario.wait(), 1);
  EXPECT_THAT(scenario.text, HasSubstr("before the process has threads"));
}

TEST(Launch, NoticesADeath) {
  Scenario scenario("death");
  EXPECT_EQ(scenario.wait(), 128 + SIGKILL);
  EXPECT_THAT(scenario.text, HasSubstr("rank 2: ended by signal 9 (Killed)"));
  EXPECT_THAT(scenario.text, HasSubstr("rank 0: rank 2 has died"));
  EXPECT_THAT(scenario.text, HasSubstr("rank 1: rank 2 has died"));
  EXPECT_THAT(delays(scenario.text), testing::ElementsAre(testing::Lt(1500), testing::Lt(1500)));
}

TEST(Launch, NoticesTheMastersDeath) {
  Scenario scenario("master-death");
  EXPECT_EQ(scenario.wait(), 128 + SIGKILL);
  EXPECT_THAT(scenario.text, HasSubstr("rank 1: rank 0 has died"));
  EXPECT_THAT(scenario.text, HasSubstr("rank 2: rank 0 has died"));
}

TEST(Launch, NoticesAFailure) {
  Scenario scenario("failure");
  EXPECT_EQ(scenario.wait(), 1);
  EXPECT_THAT(scenario.text, HasSubstr("rank 1: out of luck"));
  EXPECT_THAT(scenario.text, HasSubstr("rank 0: rank 1 has failed"));
  EXPECT_THAT(scenario.text, HasSubstr("rank 2: rank 1 has failed"));
}

TEST(Launch, NoticesAHang) {
  for (const char *name : {"hang", "master-hang"}) {
    Scenario scenario(name);
    EXPECT_EQ(scenario.wait(), 1);
    bool master = name == std::string("master-hang");
    std::string culprit = master ? "rank 0" : "rank 1";
    EXPECT_THAT(scenario.text, HasSubstr(culprit + " hangs or is out of reach: it gave no sign of "
                                                   "life for 1.5 seconds"));
    EXPECT_EQ(delays(scenario.text).size(), master ? 1u : 2u);
    for (int delay : delays(scenario.text))
      EXPECT_GE(delay, 1300);
  }
}

TEST(Launch, ShortPausesAreNoHang) {
  Scenario scenario("pause");
  EXPECT_EQ(scenario.wait(), 0) << scenario.text;
}

TEST(World, ComesFromTheEnvironment) {
  std::map<std::string, std::string> variables = {{"RANK", "3"},
                                                  {"WORLD_SIZE", "8"},
                                                  {"LOCAL_RANK", "1"},
                                                  {"MASTER_ADDR", "node0"},
                                                  {"MASTER_PORT", "29500"}};
  auto lookup = [&](const char *name) {
    auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  };
  std::optional<World> world = worldFromEnvironment(lookup);
  ASSERT_TRUE(world);
  EXPECT_EQ(world->rank, 3);
  EXPECT_EQ(world->size, 8);
  EXPECT_EQ(world->localRank, 1);
  EXPECT_EQ(world->masterAddress, "node0");
  EXPECT_EQ(world->masterPort, 29500);
  EXPECT_FALSE(world->agentStore);
  EXPECT_EQ(world->prefix(), "rank 3: ");
  variables["TORCHELASTIC_USE_AGENT_STORE"] = "True";
  variables["TORCHELASTIC_RESTART_COUNT"] = "2";
  EXPECT_TRUE(worldFromEnvironment(lookup)->agentStore);
  EXPECT_EQ(worldFromEnvironment(lookup)->generation, 2u);

  auto messageWith = [&](const char *name, const char *value) {
    auto kept = variables;
    variables[name] = value;
    std::string message;
    try {
      worldFromEnvironment(lookup);
    } catch (const Error &error) {
      message = error.what();
    }
    variables = kept;
    return message;
  };
  EXPECT_THAT(messageWith("RANK", "x"), HasSubstr("RANK is 'x'"));
  EXPECT_THAT(messageWith("RANK", "8"), HasSubstr("RANK is 8, but WORLD_SIZE is 8"));
  EXPECT_THAT(messageWith("RANK", "-1"), HasSubstr("RANK is '-1'"));
  EXPECT_THAT(messageWith("WORLD_SIZE", "0"), HasSubstr("WORLD_SIZE is 0"));
  EXPECT_THAT(messageWith("MASTER_ADDR", ""), HasSubstr("but not MASTER_ADDR"));
  EXPECT_THAT(messageWith("MASTER_PORT", "70000"), HasSubstr("MASTER_PORT is '70000'"));
  EXPECT_THAT(messageWith("MASTER_PORT", "0"), HasSubstr("MASTER_PORT is 0"));
  variables.clear();
  EXPECT_FALSE(worldFromEnvironment(lookup));
}

TEST(World, OfALauncherConnects) {
  // Any free port: it is closed again before rank 0 opens it.
  std::string port = std::to_string(20000 + getpid() % 10000);
  auto variables = [&](int rank) {
    std::string number = std::to_string(rank);
    return std::vector<std::string>{"RANK=" + number, "WORLD_SIZE=2", "LOCAL_RANK=" + number,
                                    "MASTER_ADDR=localhost", "MASTER_PORT=" + port};
  };
  Scenario first("environment", variables(0)), second("environment", variables(1));
  EXPECT_EQ(first.wait(), 0);
  EXPECT_EQ(second.wait(), 0);
  EXPECT_EQ(first.text, "rank 0: sum 3\n");
  EXPECT_EQ(second.text, "rank 1: sum 3\n");
}

} // namespace
} // namespace regimen::runtime
