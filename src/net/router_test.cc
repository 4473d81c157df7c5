#include "net/router.h"

#include <gtest/gtest.h>

namespace narthex::net {
namespace {

HttpHandler Answer(std::string text) {
  return
      [text](HttpRequest, Responder responder) { responder.Send(HttpResponse::Text(200, text)); };
}

HttpResponse Ask(const Router& router, std::string method, std::string path) {
  HttpResponse answer;
  HttpRequest request;
  request.method = std::move(method);
  request.path = std::move(path);
  router.Handle(std::move(request),
                Responder([&](HttpResponse response) { answer = std::move(response); }));
  return answer;
}

TEST(Router, FirstMatchingRowWins) {
  const Router router({{"GET", "/a", Answer("a")},
                       {"POST", "/a", Answer("post")},
                       {"GET,POST", "/label/*/values", Answer("label")},
                       {"*", "/static/*", Answer("static")}});
  const struct {
    const char* method;
    const char* path;
    int status;
    const char* body;
  } kCases[] = {
      {"GET", "/a", 200, "a"},
      {"HEAD", "/a", 200, "a"},
      {"POST", "/a", 200, "post"},
      {"GET", "/a/", 404, "404 page not found\n"},
      {"GET", "/label/job/values", 200, "label"},
      {"GET", "/label//values", 404, "404 page not found\n"},
      {"GET", "/label/a/b/values", 404, "404 page not found\n"},
      {"DELETE", "/static/x/y.js", 200, "static"},
      {"DELETE", "/label/job/values", 405, "Method Not Allowed\n"},
  };
  for (const auto& c : kCases) {
    const HttpResponse answer = Ask(router, c.method, c.path);
    EXPECT_EQ(answer.status, c.status) << c.method << " " << c.path;
    EXPECT_EQ(answer.body, c.body) << c.method << " " << c.path;
  }
  EXPECT_EQ(Ask(router, "PUT", "/label/job/values").headers.Get("Allow"), "GET, POST");
  EXPECT_EQ(StarOf("/label/*/values", "/label/job/values"), "job");
}

TEST(Responder, DroppedAnswers500) {
  HttpResponse answer;
  {
    const Responder dropped([&](HttpResponse response) { answer = std::move(response); });
  }
  EXPECT_EQ(answer.status, 500);
}

}  // namespace
}  // namespace narthex::net
