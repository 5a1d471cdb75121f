// Nothing is wrapped here: only C targets (CWebSocket, CCrypto) include OpenSSL, directly.
// The module exists so that SwiftPM finds the flags and links the library. Swift never imports it.
#pragma once
#include <openssl/ssl.h>
