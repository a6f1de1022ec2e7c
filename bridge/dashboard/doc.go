// Package dashboard makes what a person takes over into Home Assistant: a dashboard of
// built-in cards with just what the cars have, and the sentences that they understand.
//
// In come views of cars, made of the entity table; out go values to be written as YAML.
package dashboard
