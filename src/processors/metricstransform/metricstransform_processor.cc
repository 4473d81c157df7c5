#include "processors/metricstransform/metricstransform_processor.h"

#include <re2/re2.h>

#include <algorithm>

#include "otlp/rebuilt.h"
#include "otlp/stream.h"

namespace narthex::processors {
namespace {

using otlp::TreeMetric;
using otlp::TreePoint;
using otlp::TreeResource;
using otlp::TreeScope;
using Action = MetricTransform::Action;

std::string InCase(std::string text, MetricTransform::Case to) {
  for (char& c : text) {
    if (to == MetricTransform::Case::kLower && c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
    if (to == MetricTransform::Case::kUpper && c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
  }
  return text;
}

// The groups of a pattern in one name.
class Groups {
 public:
  Groups(const MetricTransform& transform, const std::string& name) : transform_(transform) {
    const re2::RE2* pattern = transform.include.pattern.get();
    if (pattern == nullptr) return;
    groups_.resize(static_cast<size_t>(pattern->NumberOfCapturingGroups()) + 1);
    pattern->Match(name, 0, name.size(), re2::RE2::UNANCHORED, groups_.data(),
                   static_cast<int>(groups_.size()));
  }

  // `new_name` with `$1` and `${name}` filled in.
  std::string NewName() const {
    if (transform_.include.pattern == nullptr) return transform_.new_name;
    static const re2::RE2 kReference(R"(\$(?:\{(\w+)\}|(\w+)))");
    std::string out;
    re2::StringPiece rest(transform_.new_name), found[3];
    while (kReference.Match(rest, 0, rest.size(), re2::RE2::UNANCHORED, found, 3)) {
      out.append(rest.data(), found[0].data());
      out += Group((found[1].data() != nullptr ? found[1] : found[2]).as_string());
      rest.remove_prefix(static_cast<size_t>(found[0].data() + found[0].size() - rest.data()));
    }
    return out.append(rest.data(), rest.size());
  }
  // What the named groups found.
  void AddLabels(TreeMetric& metric) const {
    if (transform_.include.pattern == nullptr) return;
    for (const auto& [index, name] : transform_.include.pattern->CapturingGroupNames()) {
      const std::string text = At(static_cast<size_t>(index));
      for (TreePoint& point : metric.points) {
        otlp::Put(point.attributes, name, otlp::Any(text));
      }
    }
  }

 private:
  std::string At(size_t index) const {
    if (index >= groups_.size() || groups_[index].data() == nullptr) return "";
    return InCase(groups_[index].as_string(), transform_.submatch_case);
  }
  std::string Group(const std::string& name) const {
    const auto& named = transform_.include.pattern->NamedCapturingGroups();
    if (const auto found = named.find(name); found != named.end()) {
      return At(static_cast<size_t>(found->second));
    }
    size_t index = 0;
    for (const char c : name) {
      if (c < '0' || c > '9' || index > 99) return "";
      index = index * 10 + static_cast<size_t>(c - '0');
    }
    return At(index);
  }

  const MetricTransform& transform_;
  std::vector<re2::StringPiece> groups_;
};

bool MatchesLabels(const MetricTransform& transform, const TreePoint& point) {
  return std::ranges::all_of(transform.match_labels, [&](const auto& label) {
    const otlp::Any* value = otlp::Find(point.attributes, label.first);
    return label.second.Matches(value != nullptr ? otlp::Text(*value) : "");
  });
}

TreeMetric WithoutPoints(const TreeMetric& metric) {
  return {.name = metric.name,
          .description = metric.description,
          .unit = metric.unit,
          .metadata = metric.metadata,
          .kind = metric.kind,
          .temporality = metric.temporality,
          .is_monotonic = metric.is_monotonic,
          .points = {}};
}

// Does one transform to the metrics of one scope.
class ScopeWork {
 public:
  ScopeWork(const MetricTransform& transform, TreeScope& scope)
      : transform_(transform), scope_(scope) {}

  // Metrics that belong to the resource with `group_resource_labels` instead.
  std::deque<TreeMetric> Run() {
    std::deque<TreeMetric> all = std::exchange(scope_.metrics, {});
    for (TreeMetric& metric : all) {
      if (!transform_.include.Matches(metric.name)) {
        scope_.metrics.push_back(std::move(metric));
        continue;
      }
      Split(std::move(metric));
    }
    for (TreeMetric& metric : combined_) Finish(std::move(metric));
    return std::move(moved_);
  }

 private:
  // The points whose labels match, from those that stay as they are.
  void Split(TreeMetric metric) {
    TreeMetric chosen = WithoutPoints(metric);
    const bool is_copy = transform_.action == Action::kInsert;
    std::erase_if(metric.points, [&](TreePoint& point) {
      if (!MatchesLabels(transform_, point)) return false;
      chosen.points.push_back(is_copy ? point : std::move(point));
      return !is_copy;
    });
    const bool is_rest = !metric.points.empty();
    const Groups groups(transform_, metric.name);
    if (!chosen.points.empty()) {
      if (!transform_.new_name.empty()) chosen.name = groups.NewName();
      if (transform_.action == Action::kCombine) {
        groups.AddLabels(chosen);
        Combine(std::move(chosen));
      } else if (is_copy) {
        scope_.metrics.push_back(std::move(metric));
        return Finish(std::move(chosen));
      } else {
        Finish(std::move(chosen));
      }
    }
    if (is_rest) scope_.metrics.push_back(std::move(metric));
  }

  // Only alike becomes one.
  void Combine(TreeMetric metric) {
    for (TreeMetric& home : combined_) {
      if (otlp::MetricKey(home) != otlp::MetricKey(metric)) continue;
      std::ranges::move(metric.points, std::back_inserter(home.points));
      return;
    }
    combined_.push_back(std::move(metric));
  }

  void Finish(TreeMetric metric) {
    if (transform_.action == Action::kCombine || transform_.aggregation.has_value()) {
      otlp::JoinPoints(metric, transform_.aggregation.value_or(otlp::Aggregation::kSum));
    }
    for (const MetricOperation& operation : transform_.operations) Apply(operation, metric);
    (transform_.group_resource_labels.empty() ? scope_.metrics : moved_)
        .push_back(std::move(metric));
  }

  const MetricTransform& transform_;
  TreeScope& scope_;
  std::deque<TreeMetric> combined_, moved_;
};

void Run(const MetricTransform& transform, otlp::Tree& tree) {
  const size_t resources = tree.resources.size();
  for (size_t r = 0; r < resources; ++r) {
    TreeResource& resource = tree.resources[r];
    TreeResource moved{.attributes = resource.attributes, .schema_url = resource.schema_url};
    for (const auto& [key, value] : transform.group_resource_labels) {
      otlp::Put(moved.attributes, key, otlp::Any(value));
    }
    for (TreeScope& scope : resource.scopes) {
      std::deque<TreeMetric> metrics = ScopeWork(transform, scope).Run();
      if (metrics.empty()) continue;
      moved.scopes.push_back({.name = scope.name,
                              .version = scope.version,
                              .schema_url = scope.schema_url,
                              .attributes = scope.attributes,
                              .dropped_attributes = scope.dropped_attributes,
                              .metrics = std::move(metrics)});
    }
    if (!moved.scopes.empty()) tree.resources.push_back(std::move(moved));
  }
}

}  // namespace

std::unique_ptr<pipeline::Processor> MetricsTransformProcessor::Create(
    const pipeline::CreateContext& context, pipeline::Consumer& next) {
  return std::make_unique<MetricsTransformProcessor>(ReadMetricTransforms(context),
                                                     context.id.ToString(), context.host, next);
}

MetricsTransformProcessor::MetricsTransformProcessor(std::vector<MetricTransform> transforms,
                                                     const std::string& name, pipeline::Host& host,
                                                     pipeline::Consumer& next)
    : transforms_(std::move(transforms)), handover_(host, name, next) {}

base::Status MetricsTransformProcessor::Consume(otlp::Batch batch) {
  const size_t points = batch.point_count();
  otlp::Tree tree = otlp::Tree::From(batch);
  for (const MetricTransform& transform : transforms_) Run(transform, tree);
  return handover_.Pass(otlp::Rebuilt(tree, batch), points, "aggregated");
}

}  // namespace narthex::processors
