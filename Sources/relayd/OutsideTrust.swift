// Puts together whom the relay believes about users: the proxy's header, the provider's keys and secret from the files that the settings
// name. Any thread; blocks on the disk. SPDX-License-Identifier: Apache-2.0

import LinkRelay

enum OutsideTrust {
    private static let secretBytes = 1024

    /// As `load`, where there is nothing to go on with.
    static func open(_ settings: Settings) throws(Failure) -> OutsideAccounts {
        do { return try load(settings) } catch { throw Failure(.settings, "\(error.sentence).") }
    }

    /// Throws a sentence for a file that is not there or is not what it should be.
    static func load(_ settings: Settings) throws(FileProblem) -> OutsideAccounts {
        OutsideAccounts(userHeader: settings.userHeader, trust: try keys(settings), introspector: try introspector(settings))
    }

    private static func keys(_ settings: Settings) throws(FileProblem) -> TokenTrust? {
        guard let path = settings.jwtKeys, let issuer = settings.jwtIssuer, let audience = settings.jwtAudience else { return nil }
        guard let keys = JSONWebKeys(parsing: try bytes(path, "jwt-keys")) else {
            throw FileProblem("jwt-keys: \(path) is no JWKS with a usable RSA, P-256 or Ed25519 key")
        }
        return TokenTrust(keys: keys, issuer: issuer, audience: audience, userClaim: settings.jwtUserClaim)
    }

    private static func introspector(_ settings: Settings) throws(FileProblem) -> Introspector? {
        guard let url = settings.introspectionUrl, let client = settings.introspectionClientId,
            let path = settings.introspectionSecret
        else { return nil }
        var secret = try bytes(path, "introspection-secret")
        while let last = secret.last, last == 0x0A || last == 0x0D { secret.removeLast() }
        guard (1...secretBytes).contains(secret.count), secret.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else {
            throw FileProblem("introspection-secret: \(path) holds no secret of one line")
        }
        let service = IntrospectionService(
            url: url, clientID: client, secret: String(decoding: secret, as: UTF8.self), userClaim: settings.jwtUserClaim)
        guard let introspector = Introspector(service, wallClock: LogClock.system.wall, monotonic: LogClock.system.monotonic) else {
            throw FileProblem("there is no thread for asking \(url)")
        }
        return introspector
    }

    private static func bytes(_ path: String, _ setting: String) throws(FileProblem) -> [UInt8] {
        guard let bytes = try ProcessEnvironment.contents(of: path) else { throw FileProblem("\(setting): there is no file \(path)") }
        return bytes
    }
}
