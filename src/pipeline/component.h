#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "otlp/batch.h"

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

class Receiver : public Component {};
class Processor : public Component, public Consumer {};
class Exporter : public Component, public Consumer {};
class Extension : public Component {};

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
