// Every way in which the operator's surface says no: a code, a status, a sentence. Pure values, any thread.
// SPDX-License-Identifier: Apache-2.0

import LinkProtocol

enum AdminRefusal: String, Sendable, CaseIterable {
    case unknownHost = "unknown_host"
    case crossSite = "cross_site"
    case signInRequired = "sign_in_required"
    case badToken = "bad_token"
    case missingScope = "missing_scope"
    case notFound = "not_found"
    case methodNotAllowed = "method_not_allowed"
    case badParameter = "bad_parameter"
    case badBody = "bad_body"
    case unsupportedMediaType = "unsupported_media_type"
    case noSuchRoom = "no_such_room"
    case noSuchSession = "no_such_session"
    case noSuchInstance = "no_such_instance"
    case noSuchToken = "no_such_token"
    case noSuchUser = "no_such_user"
    case noSuchBlock = "no_such_block"
    case blockExists = "block_exists"
    case tooManyBlocks = "too_many_blocks"
    case storeUnavailable = "store_unavailable"
    case unavailable

    var status: UInt16 {
        switch self {
        case .unknownHost: 421
        case .crossSite, .missingScope: 403
        case .signInRequired, .badToken: 401
        case .notFound, .noSuchRoom, .noSuchSession, .noSuchInstance, .noSuchToken, .noSuchUser, .noSuchBlock: 404
        case .methodNotAllowed: 405
        case .badParameter, .badBody: 400
        case .unsupportedMediaType: 415
        case .blockExists, .tooManyBlocks: 409
        case .storeUnavailable, .unavailable: 503
        }
    }

    var sentence: String {
        switch self {
        case .unknownHost: "The operator's surface does not answer to that host name."
        case .crossSite: "Another site's page may not call this."
        case .signInRequired: "Send a token with the scope admin: Authorization: Bearer TOKEN."
        case .badToken: "The token is not valid."
        case .missingScope: "The token lacks the scope admin."
        case .notFound: "There is nothing at this path."
        case .methodNotAllowed: "This path does not know that method."
        case .badParameter: "A parameter is unknown, repeated, or its value is not acceptable."
        case .badBody: "The body must be a JSON object with exactly the documented members."
        case .unsupportedMediaType: "The body must be sent as application/json."
        case .noSuchRoom: "Nobody is in such a room, and nobody was lately."
        case .noSuchSession: "There is no such session."
        case .noSuchInstance: "There is no such instance."
        case .noSuchToken: "There is no such token."
        case .noSuchUser: "There is no such user."
        case .noSuchBlock: "There is no such block."
        case .blockExists: "That is blocked already."
        case .tooManyBlocks: "There are \(AccessBlocks.limit) blocks; use a firewall for more."
        case .storeUnavailable: "The store cannot answer right now. Try again."
        case .unavailable: "That cannot be done right now. Try again."
        }
    }
}

struct AdminFailure: Error {
    let refusal: AdminRefusal
    /// Replaces the usual sentence.
    var sentence: String?
    var headers: [(name: String, value: String)] = []

    init(_ refusal: AdminRefusal, _ sentence: String? = nil) {
        self.refusal = refusal
        self.sentence = sentence
        switch refusal {
        case .signInRequired: headers = [("WWW-Authenticate", "Bearer")]
        case .badToken: headers = [("WWW-Authenticate", "Bearer error=\"invalid_token\"")]
        case .storeUnavailable, .unavailable: headers = [("Retry-After", "2")]
        default: break
        }
    }

    var response: HTTPResponse {
        var response = HTTPResponse.json(
            ["error": .string(sentence ?? refusal.sentence), "code": .string(refusal.rawValue)], status: refusal.status)
        response.headers += headers
        return response
    }
}
