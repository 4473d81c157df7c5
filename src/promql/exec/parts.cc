#include "promql/exec/parts.h"

#include <algorithm>

#include "base/mutex.h"
#include "base/thread_pool.h"

namespace narthex::promql {
namespace {

// Fewer are not worth a thread's attention.
constexpr size_t kSeriesPerPartMin = 16;
// For each thread, so that none waits long for the others at the end.
constexpr size_t kPartsPerThread = 8;

void Reset(PartOutput& out) {
  out.tile.Clear();
  out.annotations.Clear();
  out.first_series.reset();
}

}  // namespace

// The parts that are made ahead of the reader, a window of them. Helpers on the pool's threads take
// the next part that nobody has taken until the window is full; the reader makes what it needs now
// itself unless somebody has begun with it, and then helps until that is done. So a busy pool
// delays nobody.
class PartReader::Ahead : public std::enable_shared_from_this<Ahead> {
 public:
  // Of the parts from `first` on.
  Ahead(PartReader& reader, size_t first, base::ThreadPool& pool, size_t threads)
      : source_(reader.source_),
        series_per_part_(reader.series_per_part_),
        parts_(reader.parts_),
        helpers_max_(threads - 1),
        pool_(pool),
        taken_(first),
        read_(first) {
    for (size_t i = 0; i < 2 * threads; ++i) slots_.emplace_back(reader.MakeOutput());
  }

  // REQUIRES: called for each part in order.
  base::Status Take(size_t part, PartOutput& out) {
    {
      base::MutexLock lock(mutex_);
      if (taken_ > part) {
        Slot& slot = slots_[part % slots_.size()];
        while (!slot.done) {
          if (CanTake()) {
            MakeNext();
          } else {
            changed_.Wait(mutex_);
          }
        }
        std::swap(out, slot.out);
        base::Status status = std::move(slot.status);
        slot.done = false;
        read_ = part + 1;
        CallHelpers();
        return status;
      }
      ++taken_;
      read_ = part;
      CallHelpers();
    }
    base::Status status = Fill(part, out);
    base::MutexLock lock(mutex_);
    read_ = part + 1;
    return status;
  }

  void Abandon() {
    base::MutexLock lock(mutex_);
    abandoned_ = true;
    while (working_ > 0) changed_.Wait(mutex_);
    // A helper that is called later keeps this alive, but not what belongs to the query.
    slots_.clear();
  }

 private:
  struct Slot {
    explicit Slot(PartOutput output) : out(std::move(output)) {}
    PartOutput out;
    base::Status status;
    bool done = false;
  };

  base::Status Fill(size_t part, PartOutput& out) const {
    Reset(out);
    const size_t begin = part * series_per_part_;
    return source_.Fill(begin, std::min(begin + series_per_part_, source_.series()), out);
  }

  bool CanTake() const REQUIRES_LOCK(mutex_) {
    return !abandoned_ && taken_ < std::min(parts_, read_ + slots_.size());
  }

  void CallHelpers() REQUIRES_LOCK(mutex_) {
    const size_t free = CanTake() ? std::min(parts_, read_ + slots_.size()) - taken_ : 0;
    for (size_t i = 0; i < free && helpers_ < helpers_max_; ++i, ++helpers_) {
      pool_.Run([self = shared_from_this()] { self->Help(); });
    }
  }

  // REQUIRES: CanTake(). Without the lock in between.
  void MakeNext() REQUIRES_LOCK(mutex_) {
    const size_t part = taken_++;
    Slot& slot = slots_[part % slots_.size()];
    mutex_.Unlock();
    base::Status status = Fill(part, slot.out);
    mutex_.Lock();
    slot.status = std::move(status);
    slot.done = true;
    changed_.NotifyAll();
  }

  void Help() {
    base::MutexLock lock(mutex_);
    ++working_;
    while (CanTake()) MakeNext();
    --working_;
    --helpers_;
    changed_.NotifyAll();
  }

  const PartSource& source_;  // Not touched once abandoned.
  const size_t series_per_part_;
  const size_t parts_;
  const size_t helpers_max_;
  base::ThreadPool& pool_;

  base::Mutex mutex_;
  base::CondVar changed_;
  // Of part i: i % size. Whoever took the part has it until it is done.
  std::vector<Slot> slots_;
  size_t taken_ GUARDED_BY(mutex_);        // Parts below are being made, or made.
  size_t read_ GUARDED_BY(mutex_);         // Parts below are no more here.
  size_t helpers_ GUARDED_BY(mutex_) = 0;  // Called, and not yet done.
  size_t working_ GUARDED_BY(mutex_) = 0;
  bool abandoned_ GUARDED_BY(mutex_) = false;
};

PartReader::PartReader(QueryContext& context, const PartSource& source, size_t steps)
    : context_(context), source_(source), steps_(steps) {
  const size_t capacity = MakeOutput().tile.capacity();
  const size_t threads = context.pool == nullptr ? 1 : context.threads;
  series_per_part_ = capacity;
  if (threads > 1) {
    const size_t even = source.series() / (threads * kPartsPerThread);
    series_per_part_ = std::clamp(even, std::min(kSeriesPerPartMin, capacity), capacity);
  }
  parts_ = (source.series() + series_per_part_ - 1) / series_per_part_;
}

PartReader::~PartReader() {
  if (ahead_ != nullptr) ahead_->Abandon();
}

PartOutput PartReader::MakeOutput() const {
  return {Tile(steps_, context_.budget.memory()), context_.annotations.Empty(), std::nullopt};
}

base::Status PartReader::Make(PartOutput& out) {
  if (ahead_ != nullptr) return ahead_->Take(next_, out);
  Reset(out);
  const size_t begin = next_ * series_per_part_;
  const size_t end = std::min(begin + series_per_part_, source_.series());
  const uint64_t read_before = context_.budget.samples_read();
  RETURN_IF_ERROR(source_.Fill(begin, end, out));
  work_done_ += context_.budget.samples_read() - read_before + (end - begin) * steps_;
  CallHelp();
  return {};
}

// The parts so far tell what the rest takes.
void PartReader::CallHelp() {
  const size_t left = parts_ - next_ - 1;
  if (context_.pool == nullptr || context_.threads == 1 || left == 0) return;
  if (work_done_ / (next_ + 1) * left < context_.work_alone_max) return;
  ahead_ = std::make_shared<Ahead>(*this, next_ + 1, *context_.pool, context_.threads);
}

base::Result<bool> PartReader::Next(PartOutput& out) {
  while (next_ < parts_) {
    RETURN_IF_ERROR(Make(out));
    ++next_;
    context_.annotations.AddAll(out.annotations);
    if (!out.tile.empty() || out.first_series) return true;
  }
  Reset(out);
  return false;
}

}  // namespace narthex::promql
