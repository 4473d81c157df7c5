#include "net/http_client.h"

#include <curl/curl.h>
#include <fmt/core.h>

#include <algorithm>
#include <future>
#include <thread>
#include <unordered_set>
#include <vector>

#include "base/check.h"
#include "base/mutex.h"
#include "base/spares.h"

namespace narthex::net {
namespace {

constexpr size_t kSpareHandlesMax = 32;
constexpr long kRedirectsMax = 10;
constexpr int kPollMs = 60'000;  // Fetch wakes the thread, so this only bounds one sleep.
// libcurl 7.88 now and then does not notice that an HTTP/2 peer has opened its window again, and an
// upload over a megabyte would stand still until its time limit: so it is made to look.
constexpr int kHttp2PollMs = 20;

void InitializeCurlOnce() {
  static const CURLcode initialized = curl_global_init(CURL_GLOBAL_ALL);
  CHECK(initialized == CURLE_OK);
}

// One request on its way. Lives on the engine's thread, but for its making.
struct Transfer {
  HttpClientRequest request;
  HttpClientCallback done;
  CURL* easy = nullptr;
  curl_slist* header_list = nullptr;
  curl_slist* connect_to = nullptr;
  curl_slist* proxy_header_list = nullptr;
  // Where the URL names the certificate's host instead of the address: both as "host:port".
  std::string authority, named_authority;
  HttpClientResponse response;
  base::Spares<std::string>* spare_bodies = nullptr;
  bool over_limit = false;
  char error_text[CURL_ERROR_SIZE] = {};

  ~Transfer() {
    curl_slist_free_all(header_list);
    curl_slist_free_all(connect_to);
    curl_slist_free_all(proxy_header_list);
  }
};

// A body begins: the memory for as much as the peer announces, if it is to be believed so far.
void MakeRoom(Transfer& transfer) {
  constexpr curl_off_t kBelievedMax = 16 << 20;
  curl_off_t announced = 0;
  curl_easy_getinfo(transfer.easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &announced);
  const auto bytes = static_cast<size_t>(std::clamp<curl_off_t>(announced, 0, kBelievedMax));
  std::string& body = transfer.response.body;
  body = transfer.spare_bodies->Take(bytes);
  body.reserve(std::min(bytes, transfer.request.response_bytes_max));
}

size_t OnBody(char* bytes, size_t size, size_t count, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  std::string& body = transfer.response.body;
  const size_t length = size * count;
  if (body.size() + length > transfer.request.response_bytes_max) {
    transfer.over_limit = true;
    return 0;  // Ends the transfer.
  }
  if (body.empty()) MakeRoom(transfer);
  body.append(bytes, length);
  return length;
}

size_t OnHeader(char* bytes, size_t size, size_t count, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  std::string_view line(bytes, size * count);
  // A new status line follows "100 Continue" or a redirect: only the last response counts.
  if (line.starts_with("HTTP/")) {
    transfer.response.headers = Headers();
    return size * count;
  }
  while (line.ends_with('\n') || line.ends_with('\r')) line.remove_suffix(1);
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) return size * count;
  std::string_view value = line.substr(colon + 1);
  while (value.starts_with(' ') || value.starts_with('\t')) value.remove_prefix(1);
  transfer.response.headers.Add(line.substr(0, colon), value);
  return size * count;
}

base::Code CodeOf(CURLcode result) {
  switch (result) {
    case CURLE_OPERATION_TIMEDOUT:
      return base::Code::kDeadlineExceeded;
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
      return base::Code::kInvalidArgument;
    case CURLE_OUT_OF_MEMORY:
      return base::Code::kResourceExhausted;
    case CURLE_TOO_MANY_REDIRECTS:
      return base::Code::kFailedPrecondition;
    case CURLE_BAD_CONTENT_ENCODING:
      return base::Code::kDataLoss;
    default:
      return base::Code::kUnavailable;
  }
}

void Append(curl_slist*& list, const std::string& line) {
  curl_slist* const longer = curl_slist_append(list, line.c_str());
  if (longer != nullptr) list = longer;
}

void SetHeaders(Transfer& transfer) {
  const HttpClientRequest& request = transfer.request;
  for (const auto& [name, value] : request.headers.fields()) {
    // "Name;" is curl's way to send a field without a value.
    Append(transfer.header_list, value.empty() ? name + ";" : name + ": " + value);
  }
  // Without these curl adds its own.
  if (!request.headers.Has("Expect")) Append(transfer.header_list, "Expect:");
  if (!request.headers.Has("Content-Type")) Append(transfer.header_list, "Content-Type:");
  if (!request.headers.Has("Accept")) Append(transfer.header_list, "Accept: */*");
  curl_easy_setopt(transfer.easy, CURLOPT_HTTPHEADER, transfer.header_list);
}

void SetMethod(Transfer& transfer) {
  const HttpClientRequest& request = transfer.request;
  CURL* const easy = transfer.easy;
  if (!request.body.empty() || request.method == "POST") {
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request.body.data());
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                     static_cast<curl_off_t>(request.body.size()));
    if (request.method == "POST") return;  // As its own method it survives redirects right.
  } else if (request.method == "HEAD") {
    curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    return;
  } else if (request.method == "GET") {
    curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
    return;
  }
  curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request.method.c_str());
}

long CurlVersion(config::TlsVersion version) {
  switch (version) {
    case config::TlsVersion::kAny:
      return CURL_SSLVERSION_DEFAULT;
    case config::TlsVersion::k10:
      return CURL_SSLVERSION_TLSv1_0;
    case config::TlsVersion::k11:
      return CURL_SSLVERSION_TLSv1_1;
    case config::TlsVersion::k12:
      return CURL_SSLVERSION_TLSv1_2;
    case config::TlsVersion::k13:
      return CURL_SSLVERSION_TLSv1_3;
  }
  return CURL_SSLVERSION_DEFAULT;
}

void SetBlob(CURL* easy, CURLoption option, const std::string& text) {
  if (text.empty()) return;
  curl_blob blob{
      .data = const_cast<char*>(text.data()), .len = text.size(), .flags = CURL_BLOB_COPY};
  curl_easy_setopt(easy, option, &blob);
}

// Where the certificate is to have another name than the address, curl is given a URL with that
// name and told where to connect instead.
void SetServerName(Transfer& transfer, const std::string& name) {
  HttpClientRequest& request = transfer.request;
  const size_t begin = request.url.find("://") + 3;
  const size_t end = std::min(request.url.find_first_of("/?", begin), request.url.size());
  const std::string authority = request.url.substr(begin, end - begin);
  const size_t colon = authority.rfind(':');
  const bool has_port = colon != authority.npos && authority.find(']', colon) == authority.npos;
  const std::string host = authority.substr(0, has_port ? colon : authority.npos);
  const std::string port = has_port ? authority.substr(colon) : "";
  Append(transfer.connect_to, fmt::format("::{}:", host));
  curl_easy_setopt(transfer.easy, CURLOPT_CONNECT_TO, transfer.connect_to);
  transfer.authority = authority;
  transfer.named_authority = name + port;
  request.url.replace(begin, end - begin, transfer.named_authority);
  curl_easy_setopt(transfer.easy, CURLOPT_URL, request.url.c_str());
  if (!request.headers.Has("Host")) request.headers.Set("Host", authority);
}

void SetTls(Transfer& transfer) {
  CURL* const easy = transfer.easy;
  TlsClient& tls = *transfer.request.tls;
  const config::TlsClientConfig& config = tls.config();
  const std::shared_ptr<const PemTexts> texts = tls.Current();
  SetBlob(easy, CURLOPT_CAINFO_BLOB, texts->ca);
  // Next to authorities of their own, the system's count only where asked for.
  if (!texts->ca.empty() && !config.include_system_cas) {
    curl_easy_setopt(easy, CURLOPT_CAPATH, nullptr);
  }
  SetBlob(easy, CURLOPT_SSLCERT_BLOB, texts->cert);
  SetBlob(easy, CURLOPT_SSLKEY_BLOB, texts->key);
  curl_easy_setopt(easy, CURLOPT_SSLVERSION,
                   CurlVersion(config.min_version) | CurlVersion(config.max_version) << 16);
  if (!tls.ciphers().empty()) {
    curl_easy_setopt(easy, CURLOPT_SSL_CIPHER_LIST, tls.ciphers().c_str());
  }
  if (!tls.groups().empty()) {
    curl_easy_setopt(easy, CURLOPT_SSL_EC_CURVES, tls.groups().c_str());
  }
  if (config.insecure_skip_verify) {
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
  }
  if (!config.server_name.empty()) SetServerName(transfer, config.server_name);
}

void SetProxy(Transfer& transfer) {
  const HttpClientRequest& request = transfer.request;
  CURL* const easy = transfer.easy;
  // Empty text is no proxy, whatever the environment says.
  curl_easy_setopt(easy, CURLOPT_PROXY, request.proxy_url.c_str());
  curl_easy_setopt(easy, CURLOPT_NOPROXY, "");
  // curl would send the proxy's headers with plain requests as well.
  if (request.proxy_url.empty() || !request.url.starts_with("https:")) return;
  curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  curl_easy_setopt(easy, CURLOPT_HEADEROPT, static_cast<long>(CURLHEADER_SEPARATE));
  for (const auto& [name, value] : request.proxy_headers.fields()) {
    Append(transfer.proxy_header_list, value.empty() ? name + ";" : name + ": " + value);
  }
  curl_easy_setopt(easy, CURLOPT_PROXYHEADER, transfer.proxy_header_list);
}

void Configure(Transfer& transfer) {
  const HttpClientRequest& request = transfer.request;
  CURL* const easy = transfer.easy;
  curl_easy_setopt(easy, CURLOPT_PRIVATE, &transfer);
  curl_easy_setopt(easy, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  if (request.unix_socket.starts_with('@')) {
    curl_easy_setopt(easy, CURLOPT_ABSTRACT_UNIX_SOCKET, request.unix_socket.c_str() + 1);
  } else if (!request.unix_socket.empty()) {
    curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, request.unix_socket.c_str());
  }
  SetProxy(transfer);
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(request.timeout.count()));
  curl_easy_setopt(easy, CURLOPT_USERAGENT, "narthex");
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer.error_text);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &OnBody);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &transfer);
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &OnHeader);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, &transfer);
  if (request.accept_gzip) curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "gzip");
  if (request.follow_redirects) {
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(easy, CURLOPT_MAXREDIRS, kRedirectsMax);
  }
  if (request.tls != nullptr && request.url.starts_with("https:")) SetTls(transfer);
  if (request.http2 && request.url.starts_with("https:")) {
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_2TLS);
  } else if (request.http2) {
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE);
    // libcurl 7.88 breaks a second plain-text HTTP/2 request on a connection
    // (https://github.com/curl/curl/pull/10643), so each has its own.
    curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
    curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
  } else {
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
  }
  if (request.connect_only) curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L);
  SetMethod(transfer);
  SetHeaders(transfer);
}

// A redirect within the host goes to the address again, not to the certificate's name.
std::string RedirectOf(const Transfer& transfer, std::string url) {
  if (transfer.named_authority.empty()) return url;
  const size_t begin = url.find("://") + 3;
  const size_t end = std::min(url.find_first_of("/?#", begin), url.size());
  if (url.substr(begin, end - begin) == transfer.named_authority) {
    url.replace(begin, end - begin, transfer.authority);
  }
  return url;
}

base::Result<HttpClientResponse> Outcome(Transfer& transfer, CURLcode result) {
  const HttpClientRequest& request = transfer.request;
  if (transfer.over_limit) {
    return base::Fail(base::Code::kResourceExhausted, "{} {}: response over the limit of {} bytes",
                      request.method, request.url, request.response_bytes_max);
  }
  if (result != CURLE_OK) {
    const char* reason =
        transfer.error_text[0] != '\0' ? transfer.error_text : curl_easy_strerror(result);
    return base::Fail(CodeOf(result), "{} {}: {}", request.method, request.url, reason);
  }
  long status = 0;
  curl_easy_getinfo(transfer.easy, CURLINFO_RESPONSE_CODE, &status);
  transfer.response.status = static_cast<int>(status);
  char* redirect = nullptr;
  curl_easy_getinfo(transfer.easy, CURLINFO_REDIRECT_URL, &redirect);
  if (redirect != nullptr) transfer.response.redirect_url = RedirectOf(transfer, redirect);
  return std::move(transfer.response);
}

}  // namespace

class HttpClient::Engine {
 public:
  Engine() : multi_(curl_multi_init()) {
    CHECK(multi_ != nullptr);
    thread_ = std::thread([this] { Run(); });
  }

  ~Engine() {
    CHECK(!OnThread());
    {
      base::MutexLock lock(mutex_);
      stopping_ = true;
    }
    curl_multi_wakeup(multi_);
    thread_.join();
    CancelAll();
    for (CURL* easy : spare_) curl_easy_cleanup(easy);
    curl_multi_cleanup(multi_);
  }

  base::Spares<std::string>& spare_bodies() { return spare_bodies_; }
  bool OnThread() const { return std::this_thread::get_id() == thread_.get_id(); }

  void Submit(std::unique_ptr<Transfer> transfer) {
    {
      base::MutexLock lock(mutex_);
      waiting_.push_back(std::move(transfer));
    }
    curl_multi_wakeup(multi_);
  }

 private:
  void Run() {
    while (Admit()) {
      int running = 0;
      curl_multi_perform(multi_, &running);
      Reap();
      curl_multi_poll(multi_, nullptr, 0, http2_active_ > 0 ? kHttp2PollMs : kPollMs, nullptr);
    }
  }

  // Starts what has been submitted; false when it is time to end.
  bool Admit() {
    std::vector<std::unique_ptr<Transfer>> admitted;
    {
      base::MutexLock lock(mutex_);
      if (stopping_) return false;
      admitted.swap(waiting_);
    }
    for (std::unique_ptr<Transfer>& transfer : admitted) {
      transfer->easy = TakeHandle();
      transfer->spare_bodies = &spare_bodies_;
      Configure(*transfer);
      if (curl_multi_add_handle(multi_, transfer->easy) != CURLM_OK) {
        curl_easy_cleanup(transfer->easy);
        transfer->done(base::Fail(base::Code::kResourceExhausted, "{}: cannot start the request",
                                  transfer->request.url));
        continue;
      }
      if (transfer->request.http2) ++http2_active_;
      active_.insert(transfer.release());
    }
    return true;
  }

  void Reap() {
    int left = 0;
    while (CURLMsg* message = curl_multi_info_read(multi_, &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      Transfer* raw = nullptr;
      curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &raw);
      const CURLcode result = message->data.result;
      const std::unique_ptr<Transfer> transfer(raw);
      active_.erase(raw);
      if (transfer->request.http2) --http2_active_;
      base::Result<HttpClientResponse> outcome = Outcome(*transfer, result);
      curl_multi_remove_handle(multi_, transfer->easy);
      GiveHandle(transfer->easy);
      transfer->done(std::move(outcome));
    }
  }

  void CancelAll() {
    for (Transfer* raw : active_) {
      curl_multi_remove_handle(multi_, raw->easy);
      curl_easy_cleanup(raw->easy);
      Cancel(std::unique_ptr<Transfer>(raw));
    }
    std::vector<std::unique_ptr<Transfer>> waiting;
    {
      base::MutexLock lock(mutex_);
      waiting.swap(waiting_);
    }
    for (std::unique_ptr<Transfer>& transfer : waiting) Cancel(std::move(transfer));
  }

  static void Cancel(std::unique_ptr<Transfer> transfer) {
    transfer->done(base::Fail(base::Code::kCancelled, "{} {}: the client was stopped",
                              transfer->request.method, transfer->request.url));
  }

  CURL* TakeHandle() {
    if (spare_.empty()) {
      CURL* const easy = curl_easy_init();
      CHECK(easy != nullptr);
      return easy;
    }
    CURL* const easy = spare_.back();
    spare_.pop_back();
    return easy;
  }

  void GiveHandle(CURL* easy) {
    if (spare_.size() >= kSpareHandlesMax) {
      curl_easy_cleanup(easy);
      return;
    }
    curl_easy_reset(easy);
    spare_.push_back(easy);
  }

  CURLM* const multi_;
  base::Spares<std::string> spare_bodies_{{.bytes_max = 16 << 20, .count_max = 16}};
  // The thread's own:
  std::unordered_set<Transfer*> active_;
  size_t http2_active_ = 0;
  std::vector<CURL*> spare_;

  base::Mutex mutex_;
  std::vector<std::unique_ptr<Transfer>> waiting_ GUARDED_BY(mutex_);
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

HttpClient::HttpClient() {
  InitializeCurlOnce();
  engine_ = std::make_unique<Engine>();
}

HttpClient::~HttpClient() = default;

void HttpClient::Fetch(HttpClientRequest request, HttpClientCallback done) {
  auto transfer = std::make_unique<Transfer>();
  transfer->request = std::move(request);
  transfer->done = std::move(done);
  engine_->Submit(std::move(transfer));
}

void HttpClient::Recycle(HttpClientResponse response) {
  engine_->spare_bodies().Put(std::move(response.body));
}

base::Result<HttpClientResponse> HttpClient::FetchAndWait(HttpClientRequest request) {
  CHECK(!engine_->OnThread());
  std::promise<base::Result<HttpClientResponse>> promise;
  Fetch(std::move(request),
        [&](base::Result<HttpClientResponse> result) { promise.set_value(std::move(result)); });
  return promise.get_future().get();
}

}  // namespace narthex::net
