#include "processors/memory_limiter/memory_limiter.h"

#include <charconv>

namespace narthex::processors {
namespace {

constexpr uint64_t kMiB = 1 << 20;

// A file of the kernel's, whose size says nothing.
base::Result<std::string> ReadProcFile(base::FileSystem& files, const std::string& path) {
  ASSIGN_OR_RETURN(const auto file, files.Open(path, base::FileSystem::Mode::kRead));
  return file->ReadAt(0, 4096);
}

// The machine's or the control group's memory, whichever is less; 0 when neither can be read.
uint64_t TotalMemoryBytes(base::FileSystem& files) {
  uint64_t total = 0;
  const auto number = [](std::string_view text) {
    uint64_t value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
  };
  if (const auto text = ReadProcFile(files, "/proc/meminfo")) {
    const size_t at = text->find("MemTotal:");
    if (at != std::string::npos) {
      const size_t digits = text->find_first_of("0123456789", at);
      if (digits != std::string::npos) total = number(std::string_view(*text).substr(digits)) << 10;
    }
  }
  if (const auto text = ReadProcFile(files, "/sys/fs/cgroup/memory.max")) {
    const uint64_t limit = number(*text);  // 0 for "max".
    if (limit > 0 && (total == 0 || limit < total)) total = limit;
  }
  return total;
}

// What the process has in memory; 0 when it cannot be read. Source: proc(5), statm.
uint64_t ResidentBytes(base::FileSystem& files) {
  constexpr uint64_t kPageBytes = 4096;
  const auto text = ReadProcFile(files, "/proc/self/statm");
  if (!text.has_value()) return 0;
  const size_t blank = std::min(text->find(' '), text->size() - 1);
  uint64_t pages = 0;
  std::from_chars(text->data() + blank + 1, text->data() + text->size(), pages);
  return pages * kPageBytes;
}

base::Status Refusal() {
  return base::Fail(base::Code::kUnavailable, "data refused due to high memory usage");
}

// `what`: "accepted" or "refused".
sdk::BoundCounter<uint64_t> CounterOf(sdk::Meter& meter, const std::string& name,
                                      pipeline::Signal signal, std::string_view what) {
  return meter
      .CreateUInt64Counter(
          fmt::format("otelcol_processor_memory_limiter_{}_{}", what, pipeline::ItemsOf(signal)),
          what == "accepted" ? "What was passed to the next component."
                             : "What was refused over the limit.",
          "{items}")
      ->Bind({{"processor", name}});
}

}  // namespace

std::unique_ptr<pipeline::Processor> MemoryLimiter::Create(const pipeline::CreateContext& context,
                                                           pipeline::Consumer& next) {
  int64_t check_interval_ns = 0;
  uint64_t limit_mib = 0, spike_mib = 0, limit_percentage = 0, spike_percentage = 0;
  config::MapReader reader(context.config, context.diagnostics);
  reader.ReadGoDuration(
      "check_interval", check_interval_ns,
      "Required, as the official one has it; ours counts bytes instead of sampling them");
  reader.Read("limit_mib", limit_mib,
              "The hard limit, for the process: what it has taken at the start is no longer there "
              "for batches. This or `limit_percentage` is required");
  reader.Read("spike_limit_mib", spike_mib,
              "New data is refused above the limit less this; `0`: a fifth of the limit");
  reader.Read("limit_percentage", limit_percentage,
              "The same as a share of the machine's or the control group's memory");
  reader.Read("spike_limit_percentage", spike_percentage, "Beside `limit_percentage`");
  // There is no garbage collector to hold back.
  context.WarnWithoutEffect(reader.TakeWithoutEffect(
      {"min_gc_interval_when_soft_limited", "min_gc_interval_when_hard_limited",
       "max_gc_interval_when_soft_limited", "max_gc_interval_when_hard_limited"}));
  reader.Finish();
  if (check_interval_ns <= 0) {
    reader.Report("check_interval", "'check_interval' must be greater than zero");
  }
  if (limit_mib == 0 && limit_percentage == 0) {
    reader.Report("limit_mib", "'limit_mib' or 'limit_percentage' must be greater than zero");
  }
  if (limit_percentage > 100 || spike_percentage > 100) {
    reader.Report("limit_percentage",
                  "'limit_percentage' and 'spike_limit_percentage' must not be over 100");
  }
  uint64_t hard = limit_mib * kMiB, spike = spike_mib * kMiB;
  if (hard == 0) {
    const uint64_t total = TotalMemoryBytes(context.host.env.files);
    hard = total / 100 * limit_percentage;
    spike = total / 100 * spike_percentage;
  }
  if (spike == 0) spike = hard / 5;
  if (spike >= hard && hard > 0) {
    reader.Report("spike_limit_mib", "'spike_limit_mib' must be smaller than 'limit_mib'");
  }
  return std::make_unique<MemoryLimiter>(hard - std::min(spike, hard), context.id.ToString(),
                                         context.host, next);
}

// The way of the requests of another signal.
class MemoryLimiter::Way final : public pipeline::Passage {
 public:
  Way(const MemoryLimiter& limiter, pipeline::Signal signal, pipeline::Passage& next)
      : limiter_(limiter),
        next_(next),
        accepted_(CounterOf(limiter.meter_, limiter.name_, signal, "accepted")),
        refused_(CounterOf(limiter.meter_, limiter.name_, signal, "refused")) {}

  bool TakesJson() const override { return next_.TakesJson(); }
  void Pass(pipeline::PassedRequest request, Done done) override {
    if (limiter_.IsFull()) {
      refused_.Add(request.items);
      return done({.status = Refusal()});
    }
    Lease lease = limiter_.Hold(request.bytes.size());
    request.leases.push_back(lease);
    const size_t items = request.items;
    next_.Pass(std::move(request), [this, items, lease = std::move(lease),
                                    done = std::move(done)](pipeline::PassedAnswer answer) mutable {
      if (answer.status.has_value()) accepted_.Add(items);
      lease.reset();
      done(std::move(answer));
    });
  }

 private:
  const MemoryLimiter& limiter_;
  pipeline::Passage& next_;
  sdk::BoundCounter<uint64_t> accepted_;
  sdk::BoundCounter<uint64_t> refused_;
};

MemoryLimiter::MemoryLimiter(uint64_t soft_limit_bytes, const std::string& name,
                             pipeline::Host& host, pipeline::Consumer& next)
    : soft_limit_bytes_(soft_limit_bytes),
      batch_limit_bytes_(soft_limit_bytes),
      files_(host.env.files),
      next_(next),
      flow_(host.instruments, "processor/" + name),
      name_(name),
      meter_(host.meter),
      accepted_(CounterOf(host.meter, name, pipeline::Signal::kMetrics, "accepted")),
      refused_(CounterOf(host.meter, name, pipeline::Signal::kMetrics, "refused")),
      held_(host.held_bytes) {}

MemoryLimiter::~MemoryLimiter() = default;

pipeline::Passage* MemoryLimiter::PassageTo(pipeline::Signal signal, pipeline::Passage& next) {
  way_ = std::make_unique<Way>(*this, signal, next);
  return way_.get();
}

MemoryLimiter::Lease MemoryLimiter::Hold(uint64_t bytes) const {
  held_->fetch_add(bytes, std::memory_order_relaxed);
  return {new std::string(), [held = held_, bytes](const std::string* lease) {
            held->fetch_sub(bytes, std::memory_order_relaxed);
            delete lease;
          }};
}

base::Status MemoryLimiter::Start() {
  const uint64_t taken = std::min(ResidentBytes(files_), soft_limit_bytes_);
  batch_limit_bytes_ = std::max(soft_limit_bytes_ - taken, soft_limit_bytes_ / 4);
  return {};
}

base::Status MemoryLimiter::Consume(otlp::Batch batch) {
  const size_t points = batch.point_count();
  if (IsFull()) {
    refused_.Add(points);
    return Refusal();
  }
  batch.buffers.push_back(Hold(batch.byte_size()));
  flow_.In(points);
  base::Status status = next_.Consume(std::move(batch));
  if (status.has_value()) {
    accepted_.Add(points);
    flow_.Out(points);
  } else {
    flow_.Lost("refused_downstream", points);
  }
  return status;
}

}  // namespace narthex::processors
