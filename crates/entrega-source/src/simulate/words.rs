//! What buyers write: short Portuguese phrases, put together until the text is as long as real ones are.

use super::chance::Chance;

const GLAD_TITLES: [&str; 8] =
    ["Recomendo", "Ótimo", "Super recomendo", "Muito bom", "Excelente", "Perfeito", "Nota 10", "Entrega rápida"];
const SAD_TITLES: [&str; 8] = [
    "Não recebi",
    "Produto com defeito",
    "Não recomendo",
    "Decepcionado",
    "Atrasado",
    "Produto errado",
    "Péssimo",
    "Faltou um item",
];
const GLAD: [&str; 18] = [
    "Bom",
    "Ótimo",
    "Recomendo",
    "Amei",
    "Recebi bem antes do prazo estipulado.",
    "Produto de ótima qualidade, recomendo.",
    "Chegou tudo certinho e muito bem embalado.",
    "Entrega rápida",
    "adorei!",
    "Exatamente como no anúncio.",
    "Parabéns lojas lannister adorei comprar pela Internet seguro e prático.",
    "Vendedor atencioso, compraria de novo.",
    "Gostei muito do produto",
    "Super indico.",
    "Minha mãe amou o presente",
    "preço justo e boa qualidade,",
    "Muito bom",
    "Tudo conforme o combinado.",
];
const MIXED: [&str; 10] = [
    "Ok",
    "Razoável",
    "O produto é bom, mas a entrega demorou.",
    "Achei que fosse maior.",
    "Veio sem o manual,",
    "a cor é um pouco diferente da foto",
    "Qualidade razoável pelo preço.",
    "Ainda não usei.",
    "A embalagem chegou amassada.",
    "Esperava mais.",
];
const SAD: [&str; 17] = [
    "Ruim",
    "Péssimo",
    "Não veio",
    "Não recebi o produto e ninguém responde.",
    "Comprei duas unidades e só recebi uma",
    "O produto veio errado, quero devolver.",
    "Já passou do prazo e nada,",
    "Produto com defeito.",
    "Péssimo atendimento!",
    "Estou aguardando até hoje.",
    "Veio quebrado.",
    "Quero meu dinheiro de volta",
    "não condiz com a foto do \"anúncio\"",
    "A entrega atrasou mais de duas semanas.",
    "Consta como entregue mas não recebi",
    "Não gostei.",
    "Não recomendo esse vendedor.",
];

/// A title for a score.
pub(crate) fn title(score: u8, chance: &mut Chance) -> &'static str {
    let titles = if score > 3 { &GLAD_TITLES } else { &SAD_TITLES };
    titles[chance.below(titles.len() as u64) as usize]
}

/// Half a phrase, about: so much may a message be shorter or longer than wanted.
const SPARE: usize = 10;

/// Appends a message of about `length` characters as a CSV field; some go over several lines.
pub(crate) fn message(row: &mut Vec<u8>, score: u8, length: usize, chance: &mut Chance) {
    let phrases: &[&str] = match score {
        4 | 5 => &GLAD,
        3 => &MIXED,
        _ => &SAD,
    };
    row.push(b'"');
    let start = row.len();
    // The last phrase goes over the length as often as it stays under it.
    while row.len() == start || row.len() - start + SPARE < length {
        if row.len() > start {
            row.extend_from_slice(if chance.happens(0.06) { b"\r\n" } else { b" " });
        }
        let left = length.saturating_sub(row.len() - start);
        let mut any = || phrases[chance.below(phrases.len() as u64) as usize];
        let phrase = (0..6).map(|_| any()).find(|phrase| phrase.len() < left + SPARE).unwrap_or(phrases[0]);
        for byte in phrase.bytes() {
            if byte == b'"' {
                row.push(b'"');
            }
            row.push(byte);
        }
    }
    row.push(b'"');
}
