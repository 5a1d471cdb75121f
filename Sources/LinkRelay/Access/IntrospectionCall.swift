// One question to an identity provider: is this token active (RFC 7662)? The only importer of CHTTPClient.
//
// Blocks, on the introspection thread only. Never follows a redirect; an answer that is none is "nobody knows", never "no".
// SPDX-License-Identifier: Apache-2.0

import CHTTPClient
import LinkProtocol

/// Where and as whom an identity provider is asked.
package struct IntrospectionService: Sendable, CustomStringConvertible {
    package var url: String
    package var clientID: String
    package var secret: String
    /// The member that names the user.
    package var userClaim: String

    package init(url: String, clientID: String, secret: String, userClaim: String) {
        self.url = url
        self.clientID = clientID
        self.secret = secret
        self.userClaim = userClaim
    }

    package var description: String { "IntrospectionService(redacted)" }
}

enum IntrospectionCall {
    static let timeoutMilliseconds = 3000
    static let answerBytes = 64 * 1024

    /// The body of a 200; nil for anything else.
    static func ask(_ service: IntrospectionService, token: String) -> [UInt8]? {
        var body = [UInt8](repeating: 0, count: answerBytes)
        var count = 0
        var status = 0
        // RFC 6749 section 2.3.1: both halves of the credentials are form-encoded first.
        let result = body.withUnsafeMutableBufferPointer { buffer -> lhc_result in
            guard let start = buffer.baseAddress else { return LHC_NO_MEMORY }
            return lhc_post_form(
                service.url, encoded(service.clientID), encoded(service.secret),
                "token=\(encoded(token))&token_type_hint=access_token", timeoutMilliseconds, start, buffer.count, &count, &status)
        }
        guard result == LHC_OK, status == 200, count <= body.count else { return nil }
        return Array(body.prefix(count))
    }

    /// application/x-www-form-urlencoded, every byte that is not plain in percent signs.
    static func encoded(_ text: String) -> String {
        var out = ""
        for byte in text.utf8 {
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F: out.unicodeScalars.append(Unicode.Scalar(byte))
            default: out += "%" + Hex.encode(CollectionOfOne(byte)).uppercased()
            }
        }
        return out
    }
}
