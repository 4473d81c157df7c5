#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "otlp/batch.h"
#include "pipeline/outline.h"
#include "pipeline/passage.h"

namespace narthex::pipeline {

// Takes batches: the next stage as the one before it sees it. Thread-safe.
class Consumer {
 public:
  virtual ~Consumer() = default;

  // Takes the batch over, whatever the answer. Errors that otlp::IsRetryable accepts mean "not
  // now": the sender should come again; any other is final.
  virtual base::Status Consume(otlp::Batch batch) = 0;
};

// A part of a collector. Made from its configuration without touching the world; Start opens what
// it needs. One thread at a time calls these.
class Component {
 public:
  virtual ~Component() = default;

  virtual base::Status Start() = 0;
  // Ends what Start began; what the component still holds goes to the next stage. Works twice, or
  // without Start.
  virtual void Stop() = 0;
};

class Receiver : public Component {
 public:
  // Takes up a signal beside metrics, to be passed on to `next`. Called before Start. False for a
  // receiver that cannot.
  virtual bool Connect(Signal signal, Passage& next) {
    (void)signal, (void)next;
    return false;
  }
};
class Processor : public Component, public Consumer {
 public:
  // Where requests of another signal than metrics go in, to go on to `next`; `next` itself where
  // the processor changes nothing for them, null for one that works on metrics only. Called at most
  // once, before Start; a processor of such a pipeline gets no metrics.
  virtual Passage* PassageTo(Signal signal, Passage& next) {
    (void)signal, (void)next;
    return nullptr;
  }
};
class Exporter : public Component, public Consumer {
 public:
  // Where requests of other signals than metrics go; null for an exporter that takes none.
  virtual Passage* passage() { return nullptr; }
  // The same for one of them; asked before Start.
  virtual Passage* PassageOf(Signal signal) {
    (void)signal;
    return passage();
  }
};
// Ends pipelines as their exporter and begins others as their receiver.
class Connector : public Component {
 public:
  // Where metrics go in; null for a connector that takes none.
  virtual Consumer* consumer() { return nullptr; }
  // The same for requests of another signal.
  virtual Passage* passage(Signal signal) {
    (void)signal;
    return nullptr;
  }
};
class Extension : public Component {
 public:
  // How the service that it belongs to is put together. Called once, before Start.
  virtual void Describe(const Outline& outline) { (void)outline; }
  // Everything has started; data is taken from now on, until Stop.
  virtual void Ready() {}
};

// "otlp" or "otlp/second" in a configuration file. A value.
struct ComponentId {
  std::string type;
  std::string name;

  // Error: kInvalidArgument for text that is no id.
  static base::Result<ComponentId> Parse(std::string_view text);
  std::string ToString() const { return name.empty() ? type : type + '/' + name; }
  auto operator<=>(const ComponentId&) const = default;
};

}  // namespace narthex::pipeline
