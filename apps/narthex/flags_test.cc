#include "flags.h"

#include <gmock/gmock.h>

namespace narthex::apps {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr FlagSpec kSpecs[] = {
    {"config.file", FlagKind::kString, "prometheus.yml", "Configuration file."},
    {"web.enable-lifecycle", FlagKind::kBool, "false", "Enable shutdown over HTTP."},
    {"storage.wal", FlagKind::kBool, "true", "Write the log."},
    {"retention", FlagKind::kDuration, "15d", "How long to keep samples."},
    {"rate", FlagKind::kFloat, "50", "Requests per second."},
    {"size", FlagKind::kBytes, "0", "How much to keep."},
    {"count", FlagKind::kInt, "", "How many."},
    {"feature", FlagKind::kRepeated, "", "A feature to enable."},
    {"secret", FlagKind::kString, "", "Not shown.", /*hidden=*/true},
    {"old", FlagKind::kBool, "false", "Once useful.", false, /*no_effect=*/true},
};

base::Result<Flags> Parse(std::vector<const char*> args) { return Flags::Parse(kSpecs, args); }

TEST(Flags, HaveDefaults) {
  const Flags flags = Parse({}).value();
  EXPECT_EQ(flags.String("config.file"), "prometheus.yml");
  EXPECT_FALSE(flags.Bool("web.enable-lifecycle"));
  EXPECT_TRUE(flags.Bool("storage.wal"));
  EXPECT_EQ(flags.DurationMs("retention"), int64_t{15} * 86'400'000);
  EXPECT_EQ(flags.Int("count"), 0);
  EXPECT_THAT(flags.List("feature"), ElementsAre());
  EXPECT_FALSE(flags.WasSet("rate"));
}

TEST(Flags, TakeEveryForm) {
  const Flags flags = Parse({"--config.file=a.yml", "--rate", "2.5", "--web.enable-lifecycle",
                             "--no-storage.wal", "--retention=1.5s", "--size", "2GB", "--feature=a",
                             "--feature", "b", "--count=-3", "one", "--", "--two"})
                          .value();
  EXPECT_EQ(flags.String("config.file"), "a.yml");
  EXPECT_EQ(flags.Float("rate"), 2.5);
  EXPECT_TRUE(flags.Bool("web.enable-lifecycle"));
  EXPECT_FALSE(flags.Bool("storage.wal"));
  EXPECT_EQ(flags.DurationMs("retention"), 1500);
  EXPECT_EQ(flags.Bytes("size"), uint64_t{2} << 30);
  EXPECT_THAT(flags.List("feature"), ElementsAre("a", "b"));
  EXPECT_THAT(Parse({"--feature=a,,b", "--feature=c"})->Items("feature"),
              ElementsAre("a", "b", "c"));
  EXPECT_EQ(flags.Int("count"), -3);
  EXPECT_THAT(flags.positional(), ElementsAre("one", "--two"));
  EXPECT_TRUE(flags.WasSet("rate"));
  EXPECT_EQ(flags.Values().at("feature"), "a,b");
  EXPECT_EQ(flags.Values().at("storage.wal"), "false");
}

TEST(Flags, MistakesAreOneLineWithARemedy) {
  const struct {
    std::vector<const char*> args;
    const char* message;
  } kCases[] = {
      {{"--config.fil=x"}, "unknown flag --config.fil, did you mean `--config.file`?"},
      {{"--conifg.file", "x"}, "unknown flag --conifg.file, did you mean `--config.file`?"},
      {{"--something-else"}, "unknown flag --something-else, see --help"},
      {{"--no-config.file"}, "unknown flag --no-config.file, did you mean `--config.file`?"},
      {{"--rate"}, "flag --rate needs a value"},
      {{"--rate=fast"}, "flag --rate: \"fast\" is not a number"},
      {{"--retention", "15x"},
       "flag --retention: \"15x\" is not a duration (for example 15s, 1h30m, 15d)"},
      {{"--size=10XB"}, "flag --size: \"10XB\" is not a size (for example 512MB, 10GB)"},
      {{"--size=99999999EB"},
       "flag --size: \"99999999EB\" is not a size (for example 512MB, 10GB)"},
      {{"--storage.wal=maybe"}, "flag --storage.wal: \"maybe\" is not true or false"},
      {{"--count=1.5"}, "flag --count: \"1.5\" is not a whole number"},
  };
  for (const auto& c : kCases) {
    const auto flags = Parse(c.args);
    ASSERT_FALSE(flags.has_value()) << c.message;
    EXPECT_EQ(flags.error().message, c.message);
  }
}

TEST(Flags, HelpShowsExamplesFirstAndHidesTheHidden) {
  const std::string help = FormatHelp({"narthex x", "Does x.", "  narthex x --rate 5\n"}, kSpecs);
  EXPECT_LT(help.find("narthex x --rate 5"), help.find("--config.file"));
  EXPECT_THAT(help, HasSubstr("--[no-]storage.wal\n        Write the log. (default true)\n"));
  EXPECT_THAT(help, Not(HasSubstr("secret")));
  EXPECT_THAT(help, HasSubstr("without effect"));
}

TEST(ParseCommandLine, AnswersHelpAndRefusesArguments) {
  char program[] = "narthex", help[] = "--help", stray[] = "stray";
  char* with_help[] = {program, help};
  EXPECT_EQ(ParseCommandLine({"n", "s", ""}, kSpecs, 2, with_help).error(), 0);
  char* with_stray[] = {program, stray};
  EXPECT_EQ(ParseCommandLine({"n", "s", ""}, kSpecs, 2, with_stray).error(), 2);
  EXPECT_TRUE(ParseCommandLine({"n", "s", "", "FILE"}, kSpecs, 2, with_stray).has_value());
}

}  // namespace
}  // namespace narthex::apps
