// What other origins are told: the verdict on a request, the preflight, and the headers that end every answer (Fetch
// standard, CORS protocol).
//
// Pure, any thread. Only an origin from the list is ever named in an answer, and only on the API's routes.
// SPDX-License-Identifier: Apache-2.0

enum CrossOrigin {
    /// More than one `Origin` is nobody's.
    static func verdict(on request: HTTPRequest, by policy: OriginPolicy) -> OriginPolicy.Verdict {
        guard request.headers.count(where: { $0.name == "origin" }) <= 1 else { return .refused }
        return policy.judge(origin: request.header("origin"), host: request.header("host"), isSecure: request.isSecure)
    }

    /// The answer to OPTIONS: to a preflight what may be asked, to anybody else the methods.
    static func preflight(_ route: Route, _ verdict: OriginPolicy.Verdict, _ request: HTTPRequest) -> HTTPResponse {
        var response = HTTPResponse(status: 204, headers: [("Allow", route.methods.map(\.rawValue).joined(separator: ", "))])
        guard route.audience == .api, case .allowed = verdict else { return response }
        response.headers += [
            ("Access-Control-Allow-Methods", "GET, POST, PUT, DELETE"),
            ("Access-Control-Allow-Headers", "authorization, content-type"),
            ("Access-Control-Max-Age", "600"),
        ]
        response.headers += privateNetwork(asked: request.header(privateNetworkQuestion))
        return response
    }

    static let privateNetworkQuestion = "access-control-request-private-network"

    /// What a preflight adds for a page of the open internet that wants to reach a relay at home (WICG Private Network Access). `asked` is
    /// the question's value; only an allowed origin may be answered.
    static func privateNetwork(asked: String?) -> [(name: String, value: String)] {
        asked == "true" ? [("Access-Control-Allow-Private-Network", "true")] : []
    }

    /// Adds what every answer carries, refusals included.
    static func finish(_ response: inout HTTPResponse, route: Route?, verdict: OriginPolicy.Verdict) {
        response.headers += [("X-Content-Type-Options", "nosniff"), ("Referrer-Policy", "no-referrer")]
        if let route, route.isPage, response.status < 400 { return }
        response.headers += [("Cache-Control", "no-store"), ("Cross-Origin-Resource-Policy", "same-origin")]
        guard route?.audience == .api else { return }
        response.headers.append(("Vary", "Origin"))
        guard case .allowed(let origin) = verdict else { return }
        response.headers += [
            ("Access-Control-Allow-Origin", origin),
            ("Access-Control-Allow-Credentials", "true"),
            ("Access-Control-Expose-Headers", "Retry-After"),
        ]
    }
}
