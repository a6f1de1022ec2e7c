// Package words translates the texts of the pages. English is the key.
package words

import "volvobridge/bridge/entity"

var columns = map[string]int{"de": 0, "sv": 1, "nl": 2, "no": 3}

// In returns an English text in a language; names of entities are those of the entity
// table. A text that nobody translated stays English.
func In(text, language string) string {
	if n, other := columns[language]; other {
		if row, known := table[text]; known {
			return row[n]
		}
		return entity.Translated(text, language)
	}
	return text
}

// Known tells whether the text is translated here.
func Known(text string) bool {
	_, known := table[text]
	return known
}
