package dashboard

import (
	"strings"

	"volvobridge/bridge/entity"
)

// Sentences are what a person says to a car, by what is wanted, in every
// language, in the form that Home Assistant's sentence triggers take. NAME stands
// for the car.
var sentences = map[string]map[string][]string{
	"lock": {
		"en": {"lock [the] NAME [doors]"},
		"de": {"(schließ|schließe) [den|das] NAME ab", "verriegle [den|das] NAME"},
		"sv": {"lås NAME", "lås dörrarna på NAME"},
		"nl": {"vergrendel [de] NAME", "doe [de] NAME op slot"},
		"no": {"lås NAME", "lås dørene på NAME"},
	},
	"locked": {
		"en": {"(is|are) [the] NAME [doors] locked"},
		"de": {"ist [der|das] NAME (abgeschlossen|verriegelt|zu)"},
		"sv": {"är NAME låst"},
		"nl": {"is [de] NAME (vergrendeld|op slot)"},
		"no": {"er NAME låst"},
	},
	"unlock": {
		"en": {"unlock [the] NAME [doors] [{word}]"},
		"de": {"(schließ|schließe) [den|das] NAME auf [{word}]", "entriegle [den|das] NAME [{word}]"},
		"sv": {"lås upp NAME [{word}]"},
		"nl": {"ontgrendel [de] NAME [{word}]"},
		"no": {"lås opp NAME [{word}]"},
	},
	"warm": {
		"en": {"(warm|warm up|heat|preheat) [the] NAME", "(turn on|start) [the] NAME climate"},
		"de": {"(heize|heiz|wärme|wärm) [den|das] NAME (vor|auf)"},
		"sv": {"värm [upp] NAME"},
		"nl": {"verwarm [de] NAME", "warm [de] NAME op"},
		"no": {"varm [opp] NAME"},
	},
	"stop_warming": {
		"en": {"stop (warming|heating) [the] NAME", "(turn off|stop) [the] NAME climate"},
		"de": {"(beende|stoppe) [die] (Heizung|Klimatisierung) (vom|des|von) NAME"},
		"sv": {"sluta värma NAME"},
		"nl": {"stop [met] [het] verwarmen van [de] NAME"},
		"no": {"slutt å varme [opp] NAME"},
	},
	"where": {
		"en": {"where is [the] NAME"},
		"de": {"wo (ist|steht) [der|das] NAME"},
		"sv": {"var (är|står) NAME"},
		"nl": {"waar (is|staat) [de] NAME"},
		"no": {"hvor (er|står) NAME"},
	},
	"range": {
		"en": {"how far can I (drive|go) with [the] NAME", "what is [the] NAME range", "what is the range of [the] NAME"},
		"de": {"wie weit (komme|kann) ich mit [dem] NAME [fahren]", "wie weit ist die Reichweite (vom|des|von) NAME"},
		"sv": {"hur långt kan jag köra med NAME", "hur långt räcker NAME"},
		"nl": {"hoe ver kan ik rijden met [de] NAME", "hoe ver kom ik met [de] NAME"},
		"no": {"hvor langt kan jeg kjøre med NAME"},
	},
	"battery": {
		"en": {"what is [the] NAME battery [level]", "what is the battery level of [the] NAME"},
		"de": {"wie voll ist (der Akku|die Batterie) (vom|des|von) NAME"},
		"sv": {"hur mycket batteri har NAME", "vad är batterinivån på NAME"},
		"nl": {"hoe vol is de (accu|batterij) van [de] NAME"},
		"no": {"hvor mye batteri har NAME", "hva er batterinivået på NAME"},
	},
	"fuel": {
		"en": {"what is [the] NAME fuel level", "what is the fuel level of [the] NAME", "how much fuel does [the] NAME have"},
		"de": {"wie viel (Benzin|Kraftstoff) hat [der|das] NAME", "wie voll ist der Tank (vom|des|von) NAME"},
		"sv": {"hur mycket bränsle har NAME"},
		"nl": {"hoeveel brandstof heeft [de] NAME"},
		"no": {"hvor mye drivstoff har NAME"},
	},
	"odometer": {
		"en": {"what is [the] NAME odometer", "how many kilometers has [the] NAME driven"},
		"de": {"wie ist der Kilometerstand (vom|des|von) NAME"},
		"sv": {"vad är mätarställningen på NAME"},
		"nl": {"wat is de kilometerstand van [de] NAME"},
		"no": {"hva er kilometerstanden på NAME"},
	},
	"charging": {
		"en": {"is [the] NAME charging"},
		"de": {"lädt [der|das] NAME"},
		"sv": {"laddar NAME"},
		"nl": {"laadt [de] NAME [op]"},
		"no": {"lader NAME"},
	},
	"charged": {
		"en": {"when is [the] NAME [fully] charged", "until when is [the] NAME charging"},
		"de": {"wann ist [der|das] NAME [voll] geladen"},
		"sv": {"när är NAME (laddad|fulladdad)"},
		"nl": {"wanneer is [de] NAME [vol] geladen"},
		"no": {"når er NAME (ladet|fulladet)"},
	},
	"windows": {
		"en": {"are the windows of [the] NAME closed", "are [the] NAME windows closed"},
		"de": {"sind die Fenster (vom|des|von) NAME (zu|geschlossen)"},
		"sv": {"är fönstren på NAME stängda"},
		"nl": {"zijn de ramen van [de] NAME (dicht|gesloten)"},
		"no": {"er vinduene på NAME lukket"},
	},
	"tailgate": {
		"en": {"is [the] NAME tailgate open", "is the tailgate of [the] NAME open"},
		"de": {"ist (die Heckklappe|der Kofferraum) (vom|des|von) NAME (offen|auf)"},
		"sv": {"är bakluckan på NAME öppen"},
		"nl": {"is de achterklep van [de] NAME open"},
		"no": {"er bakluken på NAME åpen"},
	},
	"anything_open": {
		"en": {"is anything open on [the] NAME"},
		"de": {"ist (etwas|irgendetwas) am NAME offen"},
		"sv": {"är något öppet på NAME"},
		"nl": {"staat er iets open aan [de] NAME"},
		"no": {"er noe åpent på NAME"},
	},
	"last_command": {
		"en": {"did the last command work on [the] NAME"},
		"de": {"hat der letzte Befehl am NAME geklappt"},
		"sv": {"fungerade senaste kommandot på NAME"},
		"nl": {"is de laatste opdracht van [de] NAME gelukt"},
		"no": {"virket siste kommando på NAME"},
	},
	"flash": {
		"en": {"flash [the] NAME [lights]"},
		"de": {"lass [den|das] NAME blinken"},
		"sv": {"blinka med NAME"},
		"nl": {"knipper met [de] NAME"},
		"no": {"blink med NAME"},
	},
	"honk": {
		"en": {"honk [the] NAME"},
		"de": {"lass [den|das] NAME hupen"},
		"sv": {"tuta med NAME"},
		"nl": {"claxonneer met [de] NAME"},
		"no": {"tut med NAME"},
	},
	"wrong": {
		"en": {"is anything wrong with [the] NAME"},
		"de": {"(stimmt etwas nicht|ist etwas) mit [dem] NAME"},
		"sv": {"är det något fel på NAME"},
		"nl": {"is er iets mis met [de] NAME"},
		"no": {"er det noe galt med NAME"},
	},
	"start_engine": {
		"en": {"start the engine of [the] NAME for {minutes} minutes"},
		"de": {"starte den Motor (vom|des|von) NAME für {minutes} Minuten"},
		"sv": {"starta motorn på NAME i {minutes} minuter"},
		"nl": {"start de motor van [de] NAME voor {minutes} minuten"},
		"no": {"start motoren på NAME i {minutes} minutter"},
	},
}

// anyCar is what a car without a name is called.
var anyCar = map[string]string{"en": "(my|the) car", "de": "(Auto|Wagen)", "sv": "bilen", "nl": "(de|mijn) auto", "no": "bilen"}

// Sentences returns what the blueprint "talk to my car" listens to, by what is
// wanted. Without a name it is "my car", in every language.
func Sentences(name string) map[string][]string {
	all := map[string][]string{}
	for what, byLanguage := range sentences {
		for _, language := range entity.Languages() {
			for _, s := range byLanguage[language] {
				called := name
				if called == "" {
					called = anyCar[language]
				}
				all[what] = append(all[what], strings.ReplaceAll(s, "NAME", called))
			}
		}
	}
	return all
}
