// `POST /api/qr`: a picture of a text for somebody who is signed in, so that a phone can take over a sign-in or a code.
//
// Any thread. The text may be a secret: it arrives in a body, not in a URL, and is neither kept nor logged.
// SPDX-License-Identifier: Apache-2.0

import LinkProtocol

extension RestAPI {
    private static var textCount: Int { 512 }

    /// `{text}` of 1 to 512 characters becomes an SVG.
    func drawQR(_ call: RestCall) async throws(RestFailure) -> HTTPResponse {
        _ = try await caller(call)
        guard let text = try call.body()["text"]?.stringValue, (1...Self.textCount).contains(text.unicodeScalars.count) else {
            throw RestFailure(.invalidText)
        }
        guard let code = QRCode(text) else { throw RestFailure(.qrUnavailable) }
        return HTTPResponse(
            status: 200,
            headers: [("Content-Type", "image/svg+xml"), ("Content-Security-Policy", "default-src 'none'")],
            body: Array(code.svg.utf8))
    }
}
