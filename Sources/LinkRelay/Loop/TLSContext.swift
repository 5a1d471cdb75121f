// The server's certificate as Swift sees it: made from files, read anew without dropping anybody, or made by the relay itself.
//
// Any thread; reading and writing files may block, so never on a loop. Holds no key in Swift's memory: OpenSSL has it.
// SPDX-License-Identifier: Apache-2.0

import CWebSocket

package struct TLSFailure: Error, Sendable, CustomStringConvertible {
    /// What could not be done and why, without a path and without a secret.
    package let description: String
}

/// Listeners and connections hold on to what is inside by themselves, so this may go before them.
package final class TLSContext: @unchecked Sendable {
    // Proof for @unchecked: `raw` is set once, and every function called with it is documented "any thread".
    let raw: OpaquePointer

    /// `certificate` and `key` are paths of PEM files; they may be one and the same.
    package init(certificate: String, key: String) throws(TLSFailure) {
        var text = ErrorText()
        guard let raw = text.fill({ cws_tls_new(certificate, key, $0, $1) }) else { throw text.failure }
        self.raw = raw
    }

    /// Handshakes from now on use what the files hold now. When it throws, everything stays as it was.
    package func reload(certificate: String, key: String) throws(TLSFailure) {
        var text = ErrorText()
        guard text.fill({ cws_tls_reload(raw, certificate, key, $0, $1) }) else { throw text.failure }
    }

    /// SHA-256 of the certificate, as browsers show it.
    package var fingerprint: String {
        var out = [CChar](repeating: 0, count: Int(CWS_FINGERPRINT_CHARS))
        cws_tls_fingerprint(raw, &out)
        return String(decoding: out.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// Writes a self-signed certificate for `names` and its key to one file of mode 0600.
    package static func makeSelfSigned(path: String, names: [String]) throws(TLSFailure) {
        var text = ErrorText()
        guard text.fill({ cws_tls_self_signed(path, names.joined(separator: ","), $0, $1) }) else { throw text.failure }
    }

    /// Whether the certificate in that file is for all of `names` and good for `days` more.
    package static func covers(path: String, names: [String], days: UInt32) -> Bool {
        cws_tls_covers(path, names.joined(separator: ","), days)
    }

    deinit { cws_tls_release(raw) }
}

private struct ErrorText {
    private var bytes = [CChar](repeating: 0, count: 256)

    mutating func fill<Result>(_ call: (UnsafeMutablePointer<CChar>, Int) -> Result) -> Result {
        let count = bytes.count
        return call(&bytes, count)
    }

    var failure: TLSFailure {
        TLSFailure(description: String(decoding: bytes.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self))
    }
}
