#include "api/handlers.h"

namespace narthex::api {

// A server without rule files and alertmanagers, which is the only kind there is, has none of
// these.

base::Result<Answer> Rules(const ApiV1::Options&, const Request&) {
  return Answer{.data = R"({"groups":[]})"};
}

base::Result<Answer> Alerts(const ApiV1::Options&, const Request&) {
  return Answer{.data = R"({"alerts":[]})"};
}

base::Result<Answer> Alertmanagers(const ApiV1::Options&, const Request&) {
  return Answer{.data = R"({"activeAlertmanagers":[],"droppedAlertmanagers":[]})"};
}

}  // namespace narthex::api
