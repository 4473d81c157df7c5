#include "receivers/hostmetrics/hostmetrics_receiver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/testing/memory_file_system.h"
#include "otlp/tree.h"
#include "pipeline/testing/contract.h"
#include "pipeline/testing/fake_consumer.h"
#include "pipeline/testing/test_host.h"

namespace narthex::receivers {
namespace {

using testing::HasSubstr;

constexpr char kStat[] =
    "cpu  300 30 600 9000 60 3 6 9 0 0\ncpu0 100 10 200 3000 20 1 2 3 0 0\n"
    "cpu1 200 20 400 6000 40 2 4 6 0 0\nintr 1 2\nbtime 1700000000\nprocesses 4321\n";

// A small machine as it shows itself under /proc.
class HostMetricsTest : public testing::Test {
 protected:
  HostMetricsTest() {
    Put("/proc/stat", kStat);
    Put("/proc/loadavg", "0.50 1.00 2.00 1/100 999\n");
    Put("/proc/uptime", "12345.67 20000.00\n");
    Put("/proc/meminfo",
        "MemTotal: 1000 kB\nMemFree: 100 kB\nMemAvailable: 500 kB\nBuffers: 50 kB\nCached: 200 kB\n"
        "SReclaimable: 30 kB\nSUnreclaim: 20 kB\nDirty: 4 kB\n");
    Put("/proc/vmstat", "pgpgin 10\npgpgout 20\npswpin 1\npswpout 2\npgfault 100\npgmajfault 7\n");
    Put("/proc/swaps", "Filename Type Size Used Priority\n/dev/a\\040b partition 2000 500 -2\n");
    Put("/proc/diskstats",
        "   8  0 sda 11 12 13 14 15 16 17 18 19 20 21 0 0 0 0\n"
        "   7  0 loop0 1 1 1 1 1 1 1 1 1 1 1\n short line\n");
    Put("/proc/filesystems", "nodev\tproc\nnodev\ttmpfs\n\text4\n");
    Put("/proc/self/mounts",
        "proc /proc proc rw 0 0\n/dev/sda1 / ext4 ro,relatime 0 0\n/dev/sdb /mnt/a\\040b ext4 rw 0 "
        "0\ntmpfs /tmp tmpfs rw 0 0\n");
    Put("/proc/net/dev",
        "Inter-| Receive\n face |bytes\n  eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n"
        "    lo: 5 5 5 5 5 5 5 5 5 5 5 5 5 5 5 5\n");
    Put("/proc/net/tcp",
        "  sl local rem st\n 0: 0100007F:1F90 00000000:0000 0A x\n 1: a b 01 x\n 2: a b 0B x\n");
    for (const char* process : {"/proc/1", "/proc/22", "/proc/333"}) {
      EXPECT_TRUE(files_.CreateDirectories(process).has_value());
    }
    Put("/proc/1/stat", "1 (init) S 0 1");
    Put("/proc/22/stat", "22 (odd) R) (x) R 1 1");
    Put("/proc/333/stat", "333 (dead) Z 1 1");
  }
  void Put(const std::string& path, std::string text) { files_.SetContent(path, std::move(text)); }

  // One scrape with these scrapers.
  otlp::Tree Scrape(std::string_view scrapers) {
    auto receiver = host_.Make(
        &HostMetricsReceiver::Create,
        fmt::format("{{initial_delay: 0s, collection_interval: 10s, scrapers: {}}}", scrapers),
        next_);
    EXPECT_EQ(host_.errors(), "");
    EXPECT_TRUE(receiver->Start().has_value());
    EXPECT_TRUE(next_.WaitForPoints(1));
    receiver->Stop();
    return otlp::Tree::From(next_.Take());
  }
  // "value" of the point with these labels ("a=b,c=d"), or "none".
  static std::string Get(const otlp::Tree& tree, std::string_view metric,
                         std::string_view labels = "") {
    for (const otlp::TreeResource& resource : tree.resources) {
      for (const otlp::TreeScope& scope : resource.scopes) {
        for (const otlp::TreeMetric& item : scope.metrics) {
          if (item.name != metric) continue;
          for (const otlp::TreePoint& point : item.points) {
            std::string text;
            for (const auto& [key, value] : point.attributes) {
              text += (text.empty() ? "" : ",") + key + "=" + otlp::Text(value);
            }
            if (text == labels) return fmt::format("{}", point.Number());
          }
        }
      }
    }
    return "none";
  }

  base::MemoryFileSystem files_;
  pipeline::TestHost host_{files_};
  pipeline::FakeConsumer next_;
};

TEST_F(HostMetricsTest, ProcessorsAndLoad) {
  const otlp::Tree tree =
      Scrape("{cpu: {metrics: {system.cpu.logical.count: {enabled: true}}}, load: , system: }");
  EXPECT_EQ(Get(tree, "system.cpu.time", "cpu=cpu0,state=user"), "1");
  EXPECT_EQ(Get(tree, "system.cpu.time", "cpu=cpu1,state=wait"), "0.4");
  EXPECT_EQ(Get(tree, "system.cpu.time", "cpu=cpu1,state=steal"), "0.06");
  EXPECT_EQ(Get(tree, "system.cpu.time", "cpu=cpu,state=user"), "none");
  EXPECT_EQ(Get(tree, "system.cpu.logical.count"), "2");
  EXPECT_EQ(Get(tree, "system.cpu.load_average.15m"), "2");
  EXPECT_EQ(Get(tree, "system.uptime"), "12345.67");
  const otlp::TreeScope& scope = tree.resources[0].scopes[0];
  EXPECT_THAT(scope.name, HasSubstr("hostmetricsreceiver/internal/scraper/cpuscraper"));
  const otlp::TreeMetric& time = scope.metrics[0];
  EXPECT_EQ(time.unit, "s");
  EXPECT_TRUE(time.is_monotonic);
  EXPECT_EQ(time.temporality, otlp::Temporality::kCumulative);
  EXPECT_EQ(time.points[0].start_ns, 1'700'000'000'000'000'000u);
  EXPECT_EQ(Get(Scrape("{load: {cpu_average: true}}"), "system.cpu.load_average.1m"), "0.25");
}

TEST_F(HostMetricsTest, MemoryAndPaging) {
  const otlp::Tree tree = Scrape(
      "{memory: {metrics: {system.memory.utilization: {enabled: true}}},\n"
      " paging: {metrics: {system.paging.faults: {enabled: false}}}}");
  EXPECT_EQ(Get(tree, "system.memory.usage", "state=used"), std::to_string(620 * 1024));
  EXPECT_EQ(Get(tree, "system.memory.usage", "state=cached"), std::to_string(230 * 1024));
  EXPECT_EQ(Get(tree, "system.memory.utilization", "state=free"), "0.1");
  EXPECT_EQ(Get(tree, "system.paging.usage", "device=/dev/a b,state=free"),
            std::to_string(1500 * 1024));
  EXPECT_EQ(Get(tree, "system.paging.operations", "direction=page_out,type=major"), "2");
  EXPECT_EQ(Get(tree, "system.paging.faults", "type=minor"), "none");
  EXPECT_EQ(Get(Scrape("{paging: }"), "system.paging.faults", "type=minor"), "93");
}

TEST_F(HostMetricsTest, DisksAndFileSystems) {
  const otlp::Tree tree = Scrape(
      "{disk: {exclude: {devices: ['^loop'], match_type: regexp}},\n"
      " filesystem: {metrics: {system.filesystem.utilization: {enabled: true}}}}");
  EXPECT_EQ(Get(tree, "system.disk.io", "device=sda,direction=write"), std::to_string(17 * 512));
  EXPECT_EQ(Get(tree, "system.disk.operation_time", "device=sda,direction=read"), "0.014");
  EXPECT_EQ(Get(tree, "system.disk.pending_operations", "device=sda"), "19");
  EXPECT_EQ(Get(tree, "system.disk.io", "device=loop0,direction=read"), "none");
  EXPECT_NE(Get(tree, "system.filesystem.usage",
                "device=/dev/sda1,mode=ro,mountpoint=/,type=ext4,state=free"),
            "none");
  EXPECT_NE(Get(tree, "system.filesystem.inodes.usage",
                "device=/dev/sdb,mode=rw,mountpoint=/mnt/a b,type=ext4,state=used"),
            "none");
  EXPECT_EQ(Get(tree, "system.filesystem.usage",
                "device=tmpfs,mode=rw,mountpoint=/tmp,type=tmpfs,state=free"),
            "none");
}

TEST_F(HostMetricsTest, NetworksAndProcesses) {
  const otlp::Tree tree =
      Scrape("{network: {include: {interfaces: [eth0], match_type: strict}}, processes: }");
  EXPECT_EQ(Get(tree, "system.network.io", "device=eth0,direction=receive"), "1");
  EXPECT_EQ(Get(tree, "system.network.dropped", "device=eth0,direction=transmit"), "12");
  EXPECT_EQ(Get(tree, "system.network.io", "device=lo,direction=receive"), "none");
  EXPECT_EQ(Get(tree, "system.network.connections", "protocol=tcp,state=LISTEN"), "1");
  EXPECT_EQ(Get(tree, "system.network.connections", "protocol=tcp,state=CLOSING"), "1");
  EXPECT_EQ(Get(tree, "system.network.connections", "protocol=tcp,state=TIME_WAIT"), "0");
  EXPECT_EQ(Get(tree, "system.processes.created"), "4321");
  EXPECT_EQ(Get(tree, "system.processes.count", "status=running"), "1");
  EXPECT_EQ(Get(tree, "system.processes.count", "status=zombies"), "1");
  EXPECT_EQ(host_.Imbalance(), 0);
}

TEST_F(HostMetricsTest, SharesOfTimeNeedTwoLooks) {
  auto receiver =
      host_.Make(&HostMetricsReceiver::Create,
                 "{initial_delay: 0s, collection_interval: 1ms, scrapers: {cpu: {metrics: "
                 "{system.cpu.utilization: {enabled: true}}}}}",
                 next_);
  ASSERT_EQ(host_.errors(), "");
  ASSERT_TRUE(receiver->Start().has_value());
  ASSERT_TRUE(next_.WaitForPoints(16));
  Put("/proc/stat", "cpu0 175 10 200 3025 20 1 2 3 0 0\n");
  host_.clock().AdvanceMs(1);
  ASSERT_TRUE(next_.WaitForPoints(32));
  receiver->Stop();
  const otlp::Tree tree = otlp::Tree::From(next_.Take());
  EXPECT_EQ(Get(tree, "system.cpu.utilization", "cpu=cpu0,state=user"), "0.75");
  EXPECT_EQ(Get(tree, "system.cpu.utilization", "cpu=cpu0,state=idle"), "0.25");
}

TEST_F(HostMetricsTest, WhatIsMissingHidesNothingElse) {
  ASSERT_TRUE(files_.Remove("/proc/meminfo").has_value());
  Put("/proc/loadavg", "nonsense");
  const otlp::Tree tree = Scrape("{memory: , load: , system: }");
  EXPECT_EQ(Get(tree, "system.uptime"), "12345.67");
  EXPECT_EQ(host_.Count("otelcol_scraper_errored_metric_points"), 2);
  EXPECT_EQ(host_.Count("otelcol_scraper_scraped_metric_points", "system"), 1);
}

TEST_F(HostMetricsTest, ProcessesAreResourcesOfTheirOwn) {
  // Numbers from the third field on: 14 and 15 are the times, 20 threads, 22 the start, 23 and 24
  // memory, 42 waiting.
  Put("/proc/22/stat",
      "22 (my (odd) app) R 1 5 6 7 8 9 100 11 7 13 250 50 16 17 18 19 4 21 500 8192000 100 25 26 "
      "27 "
      "28 29 30 31 32 33 34 35 36 37 38 39 40 41 20 43");
  Put("/proc/22/cmdline", std::string("/bin/app\0--fast\0", 16));
  Put("/proc/22/status",
      "Name: app\nUid:\t1000\t1000\nSigQ:\t3/15000\nvoluntary_ctxt_switches:\t11\n"
      "nonvoluntary_ctxt_switches:\t2\n");
  Put("/proc/22/io", "rchar: 1\nsyscr: 5\nsyscw: 6\nread_bytes: 4096\nwrite_bytes: 8192\n");
  Put("/etc/passwd", "root:x:0:0::/:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n");
  const otlp::Tree tree = Scrape(
      "{memory: , process: {include: {names: ['my .*'], match_type: regexp}, metrics: "
      "{process.threads: {enabled: true}, process.context_switches: {enabled: true}, "
      "process.signals_pending: {enabled: true}, process.disk.operations: {enabled: true}, "
      "process.memory.utilization: {enabled: true}, process.paging.faults: {enabled: true}}}}");
  ASSERT_EQ(tree.resources.size(), 2u);
  EXPECT_TRUE(tree.resources[0].attributes.empty());
  const auto attribute = [&](std::string_view key) {
    const otlp::Any* value = otlp::Find(tree.resources[1].attributes, key);
    return value == nullptr ? "none" : otlp::Text(*value);
  };
  EXPECT_EQ(attribute("process.pid"), "22");
  EXPECT_EQ(attribute("process.parent_pid"), "1");
  EXPECT_EQ(attribute("process.executable.name"), "my (odd) app");
  EXPECT_EQ(attribute("process.command"), "/bin/app");
  EXPECT_EQ(attribute("process.command_line"), "/bin/app --fast");
  EXPECT_EQ(attribute("process.owner"), "ann");
  EXPECT_EQ(Get(tree, "process.cpu.time", "state=user"), "2.5");
  EXPECT_EQ(Get(tree, "process.cpu.time", "state=system"), "0.5");
  EXPECT_EQ(Get(tree, "process.cpu.time", "state=wait"), "0.2");
  EXPECT_EQ(Get(tree, "process.memory.usage"), "409600");
  EXPECT_EQ(Get(tree, "process.memory.virtual"), "8192000");
  EXPECT_EQ(Get(tree, "process.memory.utilization"), "0.4");
  EXPECT_EQ(Get(tree, "process.disk.io", "direction=write"), "8192");
  EXPECT_EQ(Get(tree, "process.disk.operations", "direction=read"), "5");
  EXPECT_EQ(Get(tree, "process.threads"), "4");
  EXPECT_EQ(Get(tree, "process.paging.faults", "type=minor"), "100");
  EXPECT_EQ(Get(tree, "process.context_switches", "type=voluntary"), "11");
  EXPECT_EQ(Get(tree, "process.signals_pending"), "3");
  for (const otlp::TreeMetric& metric : tree.resources[1].scopes[0].metrics) {
    if (metric.name != "process.cpu.time") continue;
    EXPECT_EQ(metric.points[0].start_ns, 1'700'000'005'000'000'000u);
  }
}

TEST_F(HostMetricsTest, MistakesInItsConfiguration) {
  const auto errors = [&](std::string_view yaml) {
    (void)host_.Make(&HostMetricsReceiver::Create, yaml, next_);
    return host_.errors();
  };
  EXPECT_EQ(errors("scrapers: {cpu: , memry: }"),
            "test.yaml:1:19: unknown key \"memry\" (did you mean \"memory\"?)");
  EXPECT_THAT(errors("collection_interval: 1m"), HasSubstr("must specify at least one scraper"));
  EXPECT_THAT(errors("{scrapers: {cpu: }, collection_interval: 0s}"),
              HasSubstr("requires positive value"));
  EXPECT_THAT(errors("scrapers: {cpu: {metrics: {system.cpu.tim: {enabled: true}}}}"),
              HasSubstr("did you mean \"system.cpu.time\""));
  EXPECT_THAT(errors("scrapers: {disk: {include: {devices: ['['], match_type: regexp}}}"),
              HasSubstr("devices: missing ]"));
  EXPECT_THAT(errors("scrapers: {disk: {include: {devices: [a]}}}"),
              HasSubstr("match_type: must be strict or regexp"));
}

TEST(HostMetricsReceiver, KeepsTheContract) {
  pipeline::FakeConsumer next;
  pipeline::ExpectStartStopContract(&HostMetricsReceiver::Create, "scrapers: {cpu: , memory: }",
                                    next);
}

// The machine that this test runs on.
TEST(HostMetricsReceiver, LooksAtThisMachine) {
  pipeline::TestHost host;
  pipeline::FakeConsumer next;
  auto receiver = host.Make(&HostMetricsReceiver::Create,
                            "{initial_delay: 0s, scrapers: {cpu: , load: , memory: , network: , "
                            "processes: , system: , paging: , filesystem: }}",
                            next);
  ASSERT_EQ(host.errors(), "");
  ASSERT_TRUE(receiver->Start().has_value());
  EXPECT_TRUE(next.WaitForPoints(20));
  receiver->Stop();
}

}  // namespace
}  // namespace narthex::receivers
