//! The names and values of a query or form, read into any type that serde can fill.

use serde::{
    Deserializer,
    de::{
        DeserializeOwned, DeserializeSeed, EnumAccess, Error as _, IntoDeserializer, MapAccess,
        Unexpected, VariantAccess, Visitor,
        value::{SeqDeserializer, StrDeserializer},
    },
    forward_to_deserialize_any,
};
use std::{borrow::Cow, fmt, str::FromStr};

/// What is wrong, with the name of the field that it is wrong with.
#[derive(Debug)]
pub(super) struct Problem(String);

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Problem {}

impl serde::de::Error for Problem {
    fn custom<T: fmt::Display>(message: T) -> Problem {
        Problem(message.to_string())
    }

    fn missing_field(field: &'static str) -> Problem {
        Problem(format!("{field}: missing"))
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Problem {
        Problem(format!(
            "{field}: unknown, expected one of {}",
            expected.join(", ")
        ))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Problem {
        Problem(format!(
            "expected {}, got {variant:?}",
            expected.join(" or ")
        ))
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn serde::de::Expected) -> Problem {
        Problem(format!("expected {expected}, got {unexpected}"))
    }
}

/// Reads the pairs; a name that stands more than once fills a list.
pub(super) fn read<'a, T: DeserializeOwned>(
    pairs: impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)>,
) -> Result<T, Problem> {
    let mut fields: Vec<Field<'a>> = Vec::new();
    for (name, value) in pairs {
        match fields.iter_mut().find(|field| field.name == name) {
            Some(field) => field.values.push(value),
            None => fields.push(Field {
                name,
                values: vec![value],
            }),
        }
    }
    T::deserialize(Fields {
        fields: fields.into_iter(),
        current: None,
    })
}

struct Field<'a> {
    name: Cow<'a, str>,
    values: Vec<Cow<'a, str>>,
}

/// All of them, as a map.
struct Fields<'a> {
    fields: std::vec::IntoIter<Field<'a>>,
    /// Whose value comes next.
    current: Option<Field<'a>>,
}

impl<'de> Deserializer<'de> for Fields<'_> {
    type Error = Problem;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        visitor.visit_map(self)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Problem> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de> MapAccess<'de> for Fields<'_> {
    type Error = Problem;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Problem> {
        self.current = self.fields.next();
        let Some(field) = &self.current else {
            return Ok(None);
        };
        let name: StrDeserializer<'_, Problem> = field.name.as_ref().into_deserializer();
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Problem> {
        let field = self
            .current
            .take()
            .ok_or_else(|| Problem::custom("a value without a name"))?;
        let result = seed.deserialize(Values(&field.values));
        result.map_err(|Problem(problem)| Problem(format!("{}: {problem}", field.name)))
    }
}

/// The values of one name: mostly one.
struct Values<'v, 'a>(&'v [Cow<'a, str>]);

impl Values<'_, '_> {
    /// The only one.
    fn one(&self) -> Result<&str, Problem> {
        match self.0 {
            [one] => Ok(one),
            _ => Err(Problem(format!(
                "given {} times, expected once",
                self.0.len()
            ))),
        }
    }

    fn parse<T: FromStr>(&self, expected: &str) -> Result<T, Problem> {
        let text = self.one()?;
        text.parse()
            .map_err(|_| Problem(format!("expected {expected}, got {text:?}")))
    }
}

impl<'de> IntoDeserializer<'de, Problem> for Values<'_, '_> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

macro_rules! parsed {
    ($($method:ident $visit:ident $expected:literal,)*) => {
        $(
            fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
                visitor.$visit(self.parse($expected)?)
            }
        )*
    };
}

impl<'de> Deserializer<'de> for Values<'_, '_> {
    type Error = Problem;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        visitor.visit_str(self.one()?)
    }

    parsed! {
        deserialize_bool visit_bool "true or false",
        deserialize_i8 visit_i8 "a whole number from -128 to 127",
        deserialize_i16 visit_i16 "a whole number from -32768 to 32767",
        deserialize_i32 visit_i32 "a whole number of 32 bits",
        deserialize_i64 visit_i64 "a whole number",
        deserialize_i128 visit_i128 "a whole number",
        deserialize_u8 visit_u8 "a whole number from 0 to 255",
        deserialize_u16 visit_u16 "a whole number from 0 to 65535",
        deserialize_u32 visit_u32 "a whole number from 0 to 4294967295",
        deserialize_u64 visit_u64 "a whole number, 0 or more",
        deserialize_u128 visit_u128 "a whole number, 0 or more",
        deserialize_f32 visit_f32 "a number",
        deserialize_f64 visit_f64 "a number",
        deserialize_char visit_char "one character",
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Problem> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        visitor.visit_seq(SeqDeserializer::new(self.0.chunks(1).map(Values)))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Problem> {
        visitor.visit_enum(Word(self.one()?))
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        visitor.visit_unit()
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        str string bytes byte_buf unit_struct tuple tuple_struct map struct identifier
    }
}

/// The name of a variant that holds nothing.
struct Word<'v>(&'v str);

impl<'de> EnumAccess<'de> for Word<'_> {
    type Error = Problem;
    type Variant = Word<'static>;

    fn variant_seed<V: DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Result<(V::Value, Word<'static>), Problem> {
        let name: StrDeserializer<'_, Problem> = self.0.into_deserializer();
        Ok((seed.deserialize(name)?, Word("")))
    }
}

impl<'de> VariantAccess<'de> for Word<'_> {
    type Error = Problem;

    fn unit_variant(self) -> Result<(), Problem> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, _: T) -> Result<T::Value, Problem> {
        Err(Problem::custom("a word cannot hold a value"))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, Problem> {
        Err(Problem::custom("a word cannot hold a value"))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Problem> {
        Err(Problem::custom("a word cannot hold a value"))
    }
}
