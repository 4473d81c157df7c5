#include "translate/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/yaml.h"

namespace narthex::translate {
namespace {

ResourceLabels LabelsOf(std::string_view yaml, std::string* errors = nullptr) {
  const config::Node node = *config::ParseYaml(yaml, "test.yaml");
  config::Diagnostics diagnostics("test.yaml");
  config::MapReader reader(node, diagnostics);
  ResourceLabels labels = ReadResourceLabels(reader, diagnostics);
  reader.Finish();
  const base::Status status = diagnostics.ToStatus();
  if (errors != nullptr) *errors = status.has_value() ? "" : status.error().message;
  return labels;
}

TEST(ResourceLabels, WildcardsAndExclusions) {
  EXPECT_FALSE(LabelsOf("{}").Takes("a"));
  EXPECT_TRUE(LabelsOf("resource_to_telemetry_conversion: {enabled: true}").Takes("service.name"));
  EXPECT_FALSE(LabelsOf("resource_to_telemetry_conversion: {enabled: true, "
                        "exclude_service_attributes: true}")
                   .Takes("service.name"));
  const ResourceLabels labels =
      LabelsOf("resource_constant_labels: {included: ['k8s.*.name', b], excluded: [k8s.pod.*]}");
  EXPECT_TRUE(labels.Takes("k8s.node.name"));
  EXPECT_FALSE(labels.Takes("k8s.pod.name"));
  EXPECT_FALSE(labels.Takes("bb"));
  EXPECT_TRUE(LabelsOf("resource_constant_labels: {excluded: [a]}").Takes("b"));
}

TEST(ResourceLabels, NotBothForms) {
  std::string errors;
  (void)LabelsOf(
      "resource_to_telemetry_conversion: {enabled: true}\nresource_constant_labels: {included: "
      "[a]}",
      &errors);
  EXPECT_THAT(errors, testing::HasSubstr("test.yaml:2:27: resource_constant_labels: may not"));
}

}  // namespace
}  // namespace narthex::translate
