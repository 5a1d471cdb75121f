// Every way in which the REST surface says no: one name that is the counter's label and the machine code, one status, one
// sentence that deployed clients show to people as it is.
//
// Pure values, any thread. Sentences must never carry anything the caller sent, nor the cause of a fault of ours.
// SPDX-License-Identifier: Apache-2.0

import LinkProtocol

package enum RestRefusal: String, Sendable, CaseIterable {
    // Before any route is asked.
    case unknownHost = "unknown_host"
    case originRefused = "origin_refused"
    case notFound = "not_found"
    case methodNotAllowed = "method_not_allowed"
    // Who is calling.
    case signInRequired = "sign_in_required"
    case badToken = "bad_token"
    case missingScope = "missing_scope"
    case badTicket = "bad_ticket"
    case unusableUser = "unusable_user"
    case crossSite = "cross_site"
    case pageOnly = "page_only"
    // What was sent.
    case unsupportedMediaType = "unsupported_media_type"
    case badJSON = "bad_json"
    case invalidID = "invalid_id"
    case invalidName = "invalid_name"
    case invalidInstallID = "invalid_install_id"
    case invalidLegacyKey = "invalid_legacy_key"
    case invalidCredential = "invalid_credential"
    case invalidText = "invalid_text"
    case invalidPolicy = "invalid_policy"
    case invalidLabel = "invalid_label"
    case invalidApproval = "invalid_approval"
    // What is there.
    case noSuchInstance = "no_such_instance"
    case instanceLimit = "instance_limit"
    case noSuchToken = "no_such_token"
    case noSuchApplicant = "no_such_applicant"
    case tokenLimit = "token_limit"
    // What we cannot do right now.
    case storeUnavailable = "store_unavailable"
    case keysUnavailable = "keys_unavailable"
    case qrUnavailable = "qr_unavailable"
    case providerUnavailable = "provider_unavailable"

    /// The HTTP status (RFC 9110 section 15).
    package var status: UInt16 {
        switch self {
        case .unknownHost: 421
        case .originRefused, .crossSite, .pageOnly: 403
        case .notFound, .noSuchInstance, .noSuchToken, .noSuchApplicant: 404
        case .methodNotAllowed: 405
        // A token without the scope is 401 like a bad one: paired installs drop their sign-in on 401 alone.
        case .signInRequired, .badToken, .missingScope, .badTicket, .unusableUser: 401
        case .unsupportedMediaType: 415
        case .badJSON, .invalidID, .invalidName, .invalidInstallID, .invalidLegacyKey, .invalidCredential, .invalidText,
            .invalidPolicy, .invalidLabel, .invalidApproval:
            400
        case .instanceLimit, .tokenLimit: 400
        case .storeUnavailable, .keysUnavailable, .qrUnavailable, .providerUnavailable: 503
        }
    }

    /// The text of `error`. `instanceLimit` is compared word for word by a deployed client.
    package var sentence: String {
        switch self {
        case .unknownHost:
            "This server does not answer to that host name. Add the name to the setting \"hosts\"."
        case .originRefused:
            "Pages of that origin may not call this server. Add the origin to the setting \"origins\"; if this is the "
                + "server's own page behind a proxy that ends TLS, declare the proxy."
        case .notFound: "There is nothing at this path."
        case .methodNotAllowed: "This path does not know that method."
        case .signInRequired: "Sign in first."
        case .badToken: "The token is not valid."
        case .missingScope: "The token lacks the link permission."
        case .badTicket: "The sign-in ticket is not valid any more. Make a new one."
        case .unusableUser: "The name under which you are signed in elsewhere cannot be used here."
        case .crossSite: "A signed-in browser may change things from this server's own page or an allowed origin only."
        case .pageOnly: "Tokens are made and revoked on this server's own page, signed in there."
        case .unsupportedMediaType: "The body must be sent as application/json."
        case .badJSON: "The body must be a JSON object."
        case .invalidID: "The id must be a positive whole number."
        case .invalidName:
            "The name must be text of 1 to 100 characters (\(KeyService.nameBytes) bytes of UTF-8) without control characters."
        case .invalidInstallID: "The installId must be text of 1 to 200 characters without control characters."
        case .invalidLegacyKey: "The legacyKey must be a pairing code or a link key."
        case .invalidCredential: "Send either a ticket or a token."
        case .invalidText: "The text must have 1 to 512 characters."
        case .invalidPolicy: "The policy has a mode (default, strict or open) and lists of at most \(InstancePolicy.wordCount) words."
        case .invalidLabel: "The label must be text of 1 to \(Accounts.nameBytes) bytes without control characters."
        case .invalidApproval: "Send the number of a waiting extension, as text, and approve as true or false."
        case .noSuchApplicant: "That extension does not wait any more."
        case .noSuchToken: "There is no such token."
        case .tokenLimit: "There are too many tokens already. Revoke some."
        case .noSuchInstance: "There is no such instance."
        case .instanceLimit: "Instance limit reached"
        case .storeUnavailable: "The server cannot reach its store right now. Try again."
        case .keysUnavailable: "The server cannot make keys right now. Try again."
        case .providerUnavailable: "The account service cannot be asked right now. Try again."
        case .qrUnavailable: "The server cannot draw the code right now. Try again."
        }
    }
}

/// A refusal on its way to the caller.
struct RestFailure: Error {
    let refusal: RestRefusal
    /// Beyond those every refusal has.
    var headers: [(name: String, value: String)] = []
    /// Members of the JSON answer after `error` and `code`.
    var details: [(key: String, value: JSONValue)] = []
    /// Replaces the usual sentence.
    var sentence: String?

    init(_ refusal: RestRefusal) {
        self.refusal = refusal
        switch refusal {
        // RFC 9110 section 11.6.1, RFC 6750 section 3.
        case .signInRequired, .badTicket, .unusableUser: headers = [("WWW-Authenticate", "Bearer")]
        case .badToken: headers = [("WWW-Authenticate", "Bearer error=\"invalid_token\"")]
        case .missingScope: headers = [("WWW-Authenticate", "Bearer error=\"insufficient_scope\"")]
        // ComfyUI retries after 2 s and 4 s by itself.
        case .storeUnavailable, .keysUnavailable, .qrUnavailable, .providerUnavailable: headers = [("Retry-After", "2")]
        default: break
        }
    }

    /// The answer: `{"error": "<sentence>", "code": "<machine_code>"}`.
    var response: HTTPResponse {
        let members: [(key: String, value: JSONValue)] = [
            ("error", .string(sentence ?? refusal.sentence)), ("code", .string(refusal.rawValue)),
        ]
        var response = HTTPResponse.json(.object(members + details), status: refusal.status)
        response.headers += headers
        return response
    }
}

extension HTTPResponse {
    /// A JSON answer.
    static func json(_ value: JSONValue, status: UInt16 = 200) -> HTTPResponse {
        HTTPResponse(status: status, headers: [("Content-Type", "application/json; charset=utf-8")], body: value.encoded())
    }
}
