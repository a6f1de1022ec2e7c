// Package discovery speaks Home Assistant's MQTT discovery language: one
// message a device, with all its components. It is pure: data in, bytes out.
//
// Rules it keeps, each learned from a Home Assistant that refused something
// else: `qos` stands in every component (2025.10 ignores it at the root), every
// component has a name, a unique id and a default entity id with its domain,
// and availability has the list form everywhere.
package discovery
