// The OpenAPI 3.1 document of the operator's surface, made from the table of routes and the schemas. Constant, any thread.
// SPDX-License-Identifier: Apache-2.0

import LinkProtocol

enum AdminDocument {
    static let openAPI: JSONValue = [
        "openapi": "3.1.0",
        "info": [
            "title": "LinkRelay, the operator's surface", "version": .string(Version.text),
            "description": "Served by the listener of the setting admin-listen alone. See docs/admin.md.",
            "license": ["name": "Apache-2.0", "identifier": "Apache-2.0"],
        ],
        "servers": [["url": "/"]],
        "security": [["bearer": []], .object([])],
        "paths": .object(paths),
        "components": [
            "schemas": .object(AdminSchemas.all),
            "securitySchemes": [
                "bearer": [
                    "type": "http", "scheme": "bearer",
                    "description": "A token with the scope admin. Not needed on the Unix socket, whose mode is the gate.",
                ]
            ],
            "responses": [
                "Refused": [
                    "description": "Refused, with a sentence and a code.",
                    "content": ["application/json": ["schema": AdminSchemas.reference("Error")]],
                ]
            ],
        ],
    ]

    private static var paths: [(key: String, value: JSONValue)] {
        var order: [String] = []
        var operations: [String: [(key: String, value: JSONValue)]] = [:]
        for route in AdminRoute.all {
            let path = AdminRoute.root + route.path
            if operations[path] == nil { order.append(path) }
            operations[path, default: []].append((route.method.rawValue.lowercased(), operation(route)))
        }
        return order.map { ($0, .object(operations[$0] ?? [])) }
    }

    private static func operation(_ route: AdminRoute) -> JSONValue {
        let fine: JSONValue = [
            "description": "Done.", "content": ["application/json": ["schema": AdminSchemas.reference(route.answer)]],
        ]
        var members: [(key: String, value: JSONValue)] = [
            ("operationId", .string(route.id)), ("summary", .string(route.text)),
            ("responses", .object([(String(route.status), fine), ("4XX", refused), ("5XX", refused)])),
        ]
        var parameters = route.query.map(parameter)
        if route.path.contains("{id}") {
            parameters.append([
                "name": "id", "in": "path", "required": true,
                "schema": ["type": "integer", "minimum": 1, "maximum": .number("9223372036854775807")],
            ])
        }
        if !parameters.isEmpty { members.append(("parameters", .array(parameters))) }
        if let body = route.body {
            let request: JSONValue = [
                "required": true, "content": ["application/json": ["schema": AdminSchemas.reference(body)]],
            ]
            members.append(("requestBody", request))
        }
        return .object(members)
    }

    private static let refused: JSONValue = ["$ref": "#/components/responses/Refused"]

    private static func parameter(_ parameter: AdminParameter) -> JSONValue {
        let schema: JSONValue
        switch parameter.kind {
        case .integer(let range, let fallback):
            var members: [(key: String, value: JSONValue)] = [
                ("type", "integer"), ("minimum", .int(range.lowerBound)), ("maximum", .int(range.upperBound)),
            ]
            if let fallback { members.append(("default", .int(fallback))) }
            schema = .object(members)
        case .choice(let words): schema = .object([("enum", .array(words.map { .string($0) }))])
        case .flag: schema = ["type": "boolean"]
        }
        return ["name": .string(parameter.name), "in": "query", "description": .string(parameter.text), "schema": schema]
    }
}
