//! `scan`: its head, and its body as a closure.

use super::expander::{Expander, builder, local, location};
use crate::signature::axis_called;
use crate::syntax::{Along, Carried, Location, Scan, Slices};
use proc_macro2::TokenStream;
use quote::quote;
use std::collections::HashMap;
use syn::Ident;

impl<'a> Expander<'a> {
    pub(super) fn scan(&self, scan: &'a Scan, at: Location) -> TokenStream {
        let (builder, reverse, at) = (builder(), scan.reverse, location(at));
        let slices = scan.slices.iter().map(|slices| self.slices(slices));
        let starts = scan.carried.iter().map(|carried| self.start(carried));

        let sliced: Vec<Ident> = scan.slices.iter().map(|slices| local(&slices.name)).collect();
        let carried: Vec<Ident> =
            scan.carried.iter().flat_map(|carried| carried.names.iter().map(local)).collect();
        let (slice_numbers, numbers) = (0..sliced.len(), 0..carried.len());

        // A block of its own: what it declares ends with it.
        let mut inside = self.clone();
        inside.instances.push(HashMap::new());
        let body = inside.statements(&scan.body);

        quote!({
            let __slices = [#(#slices),*];
            let mut __carried: ::std::vec::Vec<(&str, __Argument)> = ::std::vec::Vec::new();
            #(#starts)*
            #builder.at(#at);
            let __head = __language::ScanHead { slices: &__slices, carried: &__carried, reverse: #reverse };
            __language::scan(#builder, &__head, |__slices, __carried| {
                #(let #sliced = __slices[#slice_numbers].clone();)*
                #(let mut #carried = __carried[#numbers].clone();)*
                let mut __yields: ::std::vec::Vec<__Argument> = ::std::vec::Vec::new();
                #body
                #builder.at(#at);
                (::std::vec![#(#carried),*], __yields)
            })
        })
    }

    fn slices(&self, slices: &'a Slices) -> TokenStream {
        let (builder, name, of) = (builder(), slices.name.to_string(), self.expression(&slices.of));
        let axis = match &slices.along {
            Along::Axis(axis) => quote!(__Argument::Integer(#axis)),
            Along::Size(size) => match axis_called(&self.typed, &slices.of, size) {
                Some(axis) => {
                    let axis = axis as i64;
                    quote!(__Argument::Integer(#axis))
                }
                None => {
                    let (text, size) = (size.to_string(), local(size));
                    quote!(__language::axis(#builder, &__of, #text, &#size))
                }
            },
        };
        quote!({
            let __of = #of;
            let __axis = #axis;
            __language::SliceOf { name: #name, of: __of, axis: __axis }
        })
    }

    /// Adds to the list of names and values before the first iteration.
    fn start(&self, carried: &'a Carried) -> TokenStream {
        let (builder, text) = (builder(), carried.names[0].to_string());
        let start = self.expression(&carried.start);
        if carried.names.len() == 1 {
            return quote!(__carried.push((#text, #builder.scope(#text, || #start))););
        }
        let texts: Vec<String> = carried.names.iter().map(Ident::to_string).collect();
        quote! {
            let __start = __language::unpack(#builder, &[#(#texts),*], &#builder.scope(#text, || #start));
            __carried.extend([#(#texts),*].into_iter().zip(__start));
        }
    }
}
