#pragma once

namespace narthex::apps {

// `narthex collector`, and `otelcol`.
int RunCollector(int argc, char** argv);

}  // namespace narthex::apps
