// Nothing is wrapped here: only CHTTPClient includes libcurl, directly.
// The module exists so that SwiftPM finds the flags and links the library. Swift never imports it.
#pragma once
#include <curl/curl.h>
